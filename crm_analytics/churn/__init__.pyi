"""Public names of the package, and where they live; read by `crm_analytics.lazy` too."""

from .candidates import CANDIDATES as CANDIDATES
from .features import features as features
from .frame_classifier import FrameChurnClassifier as FrameChurnClassifier
from .hazards import CoxModel as CoxModel
from .hazards import DiscreteHazard as DiscreteHazard
from .hazards import contract_durations as contract_durations
from .hazards import fit_cox as fit_cox
from .hazards import fit_hazard as fit_hazard
from .model import ChurnModel as ChurnModel
from .model import load_model as load_model
from .score import score as score
from .survival import SurvivalCurve as SurvivalCurve
from .survival import hazard_by_age as hazard_by_age
from .survival import survival_curve as survival_curve
from .training import train as train
