"""Has something changed?  Scores, models, and how right they were, night against night (below the reports).

One score column against an earlier night: ``shift.py``; all of them: ``drift.py``; the parameters of the
purchase and spend models: ``parameter_drift.py``; what earlier nights predicted against what came:
``performance.py``.
"""

from crm_analytics import lazy

__getattr__, __dir__, __all__ = lazy.exports(__name__, __file__)
