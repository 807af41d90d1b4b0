"""Which models of purchasing are there?  One entry per model; tests of the common promises run over all of
them.

To add one: write a module with a subclass of `purchase_model.PurchaseModel` (its primitives are the formulas
of the model, the questions come for nothing), and add a line here.
"""

from crm_analytics.clv.models.bg_nbd import BetaGeoModel
from crm_analytics.clv.models.cnbd import BetaGeoErlangModel, ModifiedBetaGeoErlangModel
from crm_analytics.clv.models.mbg_nbd import ModifiedBetaGeoModel
from crm_analytics.clv.models.nbd import NBDModel
from crm_analytics.clv.models.pareto_nbd import ParetoNBDModel
from crm_analytics.clv.models.purchase_model import PurchaseModel

MODELS: dict[str, type[PurchaseModel]] = {
    "nbd": NBDModel,
    "bg_nbd": BetaGeoModel,
    "mbg_nbd": ModifiedBetaGeoModel,
    "pareto_nbd": ParetoNBDModel,
    "bg_cnbd": BetaGeoErlangModel,
    "mbg_cnbd": ModifiedBetaGeoErlangModel,
}
