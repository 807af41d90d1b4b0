"""Public names of the package, and where they live; read by `crm_analytics.lazy` too."""

from .cutoffs import Cutoff as Cutoff
from .cutoffs import rolling_cutoffs as rolling_cutoffs
from .evaluate import Metric as Metric
from .evaluate import evaluate as evaluate
from .logistic import LogisticModel as LogisticModel
from .logistic import fit_logistic as fit_logistic
from .model_card import ModelCard as ModelCard
