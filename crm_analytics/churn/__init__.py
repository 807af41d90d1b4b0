"""Who is about to leave, how sure is that, and why?  Churn probabilities with a stated event, horizon and
date.

The order of the work: label.sql (what is asked) -> features/*.sql (what was known) -> candidates.py
(models and baselines) -> model.py (choice on later days, never on a random split) -> score.py and
reasons.py (what is said).
"""

from crm_analytics import lazy

__getattr__, __dir__, __all__ = lazy.exports(__name__, __file__)
