"""With which fitted models did a night value its customers?  Kept, so that later nights can judge them.

The parameters are fitted anew every night; ``scores.fitted_models`` keeps them. No customer can be read
from it.
"""

from __future__ import annotations

from datetime import date

import pandas as pd

from crm_analytics.clv.cohort_models import Models
from crm_analytics.clv.models import MODELS
from crm_analytics.clv.models.gamma_gamma import GammaGammaModel
from crm_analytics.modelling import arguments
from crm_analytics.warehouse import SqlFile, Warehouse

TABLE = "scores.fitted_models"


def models_table(models: Models, *, as_of: date) -> pd.DataFrame:
    """Return the rows of ``scores.fitted_models`` for the models of one night.

    Parameters
    ----------
    models : Models
        As fitted by the night.
    as_of : date
        Its day.
    """
    arguments.instance("models", models, Models, "fitted models (crm.clv.fit_models)")
    as_of = arguments.day("as_of", as_of)
    parts = {
        "purchases": (models.purchases, models.purchase_fallback),
        "spend": (models.spend, models.spend_fallback),
    }
    return pd.DataFrame(
        {
            "as_of": as_of,
            "part": list(parts),
            "model": [model.name for model, _ in parts.values()],
            "fallback": [fallback for _, fallback in parts.values()],
            "content": [model.to_json() for model, _ in parts.values()],
        }
    )


def kept_models(wh: Warehouse, *, as_of: date) -> Models | None:
    """Return the models of a night as they were fitted then; None when that night kept none.

    Parameters
    ----------
    wh : Warehouse
        Where nights have written their scores; a published copy will do.
    as_of : date
        The night.

    Examples
    --------
    >>> with Warehouse.open() as wh:
    ...     kept_models(wh, as_of=date(2024, 1, 1)) is None
    True
    """
    kept = SqlFile.beside(__file__, "kept_models.sql")
    rows = arguments.warehouse(wh).rows(kept, as_of=arguments.day("as_of", as_of))
    found = {part: (model, fallback, content) for part, model, fallback, content in rows}
    if not found:
        return None
    purchases, no_purchases, purchase_text = found["purchases"]
    _, no_spend, spend_text = found["spend"]
    return Models(
        purchases=MODELS[purchases].from_json(purchase_text),
        spend=GammaGammaModel.from_json(spend_text),
        purchase_fallback=no_purchases,
        spend_fallback=no_spend,
    )
