"""Public names of the package, and where they live; read by `crm_analytics.lazy` too."""

from . import identity as identity
from .load import Load as Load
from .load import load as load
from .sync import forget_records as forget_records
from .sync import sync as sync
