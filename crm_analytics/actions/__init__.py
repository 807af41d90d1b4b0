"""Whom do we call today, and what came of yesterday's calls?  Capacity-limited lists and alerts (floor 7).

The order of the work: candidates.sql (who could be called, and what is known of them) -> call_list.py (who
is called, in which order, and why the others are not) -> tasks.py (into the record store) -> outcomes.sql
and save_rate.py (what the calls have saved).
"""

from crm_analytics import lazy

__getattr__, __dir__, __all__ = lazy.exports(__name__, __file__)
