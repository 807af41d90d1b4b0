"""Public names of the package, and where they live; read by `crm_analytics.lazy` too."""

from .cohort_models import fit_models as fit_models
from .customer_summary import summary as summary
from .customer_value import score_summary as score_summary
from .holdout import holdout as holdout
from .lifetime_value import lifetime_value as lifetime_value
from .models import MODELS as MODELS
from .models.bg_nbd import BetaGeoModel as BetaGeoModel
from .models.gamma_gamma import GammaGammaModel as GammaGammaModel
from .models.mbg_nbd import ModifiedBetaGeoModel as ModifiedBetaGeoModel
