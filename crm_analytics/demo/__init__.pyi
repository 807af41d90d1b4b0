"""Public names of the package, and where they live; read by `crm_analytics.lazy` too."""

from .cdnow import cdnow_path as cdnow_path
from .sample import write_sample as write_sample
