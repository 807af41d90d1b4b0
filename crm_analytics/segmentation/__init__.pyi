"""Public names of the package, and where they live; read by `crm_analytics.lazy` too."""

from .names import SegmentName as SegmentName
from .names import segment_names as segment_names
from .plots import plot_segments as plot_segments
from .rfm import rfm as rfm
from .rfm import segment_table as segment_table
