"""Public names of the package, and where they live; read by `crm_analytics.lazy` too."""

from .cohort_models import fit_models as fit_models
from .compare import Comparison as Comparison
from .compare import compare as compare
from .customer_summary import summary as summary
from .customer_value import score_summary as score_summary
from .group_totals import group_totals as group_totals
from .holdout import holdout as holdout
from .lifetime_value import lifetime_value as lifetime_value
from .models import MODELS as MODELS
from .models.bg_bb import BetaGeoBetaBinomModel as BetaGeoBetaBinomModel
from .models.bg_nbd import BetaGeoModel as BetaGeoModel
from .models.cnbd import BetaGeoErlangModel as BetaGeoErlangModel
from .models.cnbd import ModifiedBetaGeoErlangModel as ModifiedBetaGeoErlangModel
from .models.covariates import likelihood_ratio_test as likelihood_ratio_test
from .models.gamma_gamma import GammaGammaModel as GammaGammaModel
from .models.mbg_nbd import ModifiedBetaGeoModel as ModifiedBetaGeoModel
from .models.nbd import NBDModel as NBDModel
from .models.pareto_nbd import ParetoNBDModel as ParetoNBDModel
from .models.robust_errors import bootstrap_covariance as bootstrap_covariance
from .models.robust_errors import sandwich_covariance as sandwich_covariance
from .models.shifted_beta_geo import CohortFits as CohortFits
from .models.shifted_beta_geo import ShiftedBetaGeoModel as ShiftedBetaGeoModel
from .models.shifted_beta_geo import fit_cohorts as fit_cohorts
from .models.shifted_beta_geo import lives_from_survivors as lives_from_survivors
