"""Public names of the package, and where they live; read by `crm_analytics.lazy` too."""

from .drift import drift as drift
from .drift import feature_drift as feature_drift
from .drift import last_published as last_published
from .drift import score_drift as score_drift
from .drift import usual_limits as usual_limits
from .monitor import Monitoring as Monitoring
from .monitor import monitor as monitor
from .parameter_drift import ParameterDrift as ParameterDrift
from .parameter_drift import parameter_drift as parameter_drift
from .performance import churn_performance as churn_performance
from .performance import churn_reliability as churn_reliability
from .performance import value_performance as value_performance
from .plots import plot_drift as plot_drift
from .plots import plot_performance as plot_performance
from .shift import Shift as Shift
from .shift import shift as shift
