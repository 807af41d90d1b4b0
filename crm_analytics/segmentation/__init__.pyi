"""Public names of the package, and where they live; read by `crm_analytics.lazy` too."""

from .lifecycle import lifecycle as lifecycle
from .lifecycle import lifecycle_transitions as lifecycle_transitions
from .measures import Measure as Measure
from .measures import measure_table as measure_table
from .measures import measures as measures
from .movement import kept_nights as kept_nights
from .movement import movement as movement
from .movement import segment_history as segment_history
from .names import SegmentName as SegmentName
from .names import segment_names as segment_names
from .plots import plot_movement as plot_movement
from .plots import plot_segments as plot_segments
from .rfm import learn_thresholds as learn_thresholds
from .rfm import rfm as rfm
from .rfm import segment_table as segment_table
from .rule_language import parse_rule as parse_rule
from .rule_language import write_rule as write_rule
from .rule_segments import RuleSegment as RuleSegment
from .rule_segments import keep_rule_segments as keep_rule_segments
from .rule_segments import load_rule_segments as load_rule_segments
from .rule_segments import rule_segments as rule_segments
from .rule_segments import segment_overlap as segment_overlap
from .rule_segments import segment_sizes as segment_sizes
from .thresholds import RfmThresholds as RfmThresholds
from .thresholds import load_thresholds as load_thresholds
