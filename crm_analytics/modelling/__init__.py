"""How do we train and judge a prediction honestly?  Shared by every prediction (floor 3).

Cutoffs walk forward in time, features see only what was known, models are compared with baselines on a
later window, and what came out is written on a `ModelCard`.
"""

from crm_analytics import lazy

__all__ = ["Cutoff", "LogisticModel", "Metric", "ModelCard", "evaluate", "fit_logistic", "rolling_cutoffs"]

__getattr__, __dir__ = lazy.exports(
    __name__,
    {
        "Cutoff": ".cutoffs",
        "LogisticModel": ".logistic",
        "Metric": ".evaluate",
        "ModelCard": ".model_card",
        "evaluate": ".evaluate",
        "fit_logistic": ".logistic",
        "rolling_cutoffs": ".cutoffs",
    },
)
