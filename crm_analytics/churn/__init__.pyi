"""Public names of the package, and where they live; read by `crm_analytics.lazy` too."""

from .candidates import CANDIDATES as CANDIDATES
from .features import features as features
from .model import ChurnModel as ChurnModel
from .model import load_model as load_model
from .score import score as score
from .training import train as train
