"""Public names of the package, and where they live; read by `crm_analytics.lazy` too."""

from .versions import Stored as Stored
from .versions import store_versions as store_versions
