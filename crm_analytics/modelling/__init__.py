"""How do we train and judge a prediction honestly?  Shared by every prediction (floor 3).

Cutoffs walk forward in time, features see only what was known, models are compared with baselines on a
later window, and what came out is written on a `ModelCard`.
"""

from crm_analytics import lazy

__getattr__, __dir__, __all__ = lazy.exports(__name__, __file__)
