"""Public names of the package, and where they live; read by `crm_analytics.lazy` too."""

from . import changes as changes
from .record import Record as Record
from .store import RecordStore as RecordStore
