"""Who is about to leave, how sure is that, and why?  Churn probabilities with a stated event, horizon and
date.

The order of the work: label.sql (what is asked) -> features/*.sql (what was known) -> candidates.py
(models and baselines) -> model.py (choice on later days, never on a random split) -> score.py and
reasons.py (what is said).
"""

from crm_analytics import lazy

__all__ = ["CANDIDATES", "ChurnModel", "features", "load_model", "score", "train"]

__getattr__, __dir__ = lazy.exports(
    __name__,
    {
        "CANDIDATES": ".candidates",
        "ChurnModel": ".model",
        "features": ".features",
        "load_model": ".model",
        "score": ".score",
        "train": ".training",
    },
)
