"""Which models of purchasing are there?  One entry per model; tests of the common promises run over all of
them.

To add one: write a module with a class that fits a summary and answers what BetaGeoModel answers, and add a
line here.
"""

from crm_analytics.clv.models.bg_nbd import BetaGeoModel
from crm_analytics.clv.models.mbg_nbd import ModifiedBetaGeoModel

MODELS: dict[str, type[BetaGeoModel]] = {
    "bg_nbd": BetaGeoModel,
    "mbg_nbd": ModifiedBetaGeoModel,
}
