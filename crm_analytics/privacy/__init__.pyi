"""Public names of the package, and where they live; read by `crm_analytics.lazy` too."""

from .erasure import Receipt as Receipt
from .erasure import erase as erase
from .subject_export import SubjectExport as SubjectExport
from .subject_export import export_subject as export_subject
