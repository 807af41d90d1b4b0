"""Public names of the package, and where they live; read by `crm_analytics.lazy` too."""

from .candidates import CANDIDATES as CANDIDATES
from .features import features as features
from .frame_classifier import FrameChurnClassifier as FrameChurnClassifier
from .frame_classifier import load_frame_classifier as load_frame_classifier
from .hazards import CoxModel as CoxModel
from .hazards import DiscreteHazard as DiscreteHazard
from .hazards import contract_durations as contract_durations
from .hazards import fit_cox as fit_cox
from .hazards import fit_hazard as fit_hazard
from .kinds import KINDS as KINDS
from .model import ChurnModel as ChurnModel
from .model import load_model as load_model
from .plots import plot_leaving as plot_leaving
from .plots import plot_post_mortem as plot_post_mortem
from .plots import plot_reliability as plot_reliability
from .plots import plot_retention as plot_retention
from .post_mortem import post_mortem as post_mortem
from .retention import leaving_rates as leaving_rates
from .retention import retention as retention
from .score import score as score
from .survival import SurvivalCurve as SurvivalCurve
from .survival import hazard_by_age as hazard_by_age
from .survival import survival_curve as survival_curve
from .training import train as train
from .win_back import win_back as win_back
