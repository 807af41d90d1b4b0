"""Public names of the package, and where they live; read by `crm_analytics.lazy` too."""

from .currencies import CURRENCIES as CURRENCIES
from .digits import DIGITS as DIGITS
from .local_time import odd_local_times as odd_local_times
