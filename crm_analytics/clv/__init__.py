"""What is each customer worth from now on?  Purchase histories, models of purchasing and spending, discounted
value.

The order of the work: summary.sql (what is known) -> models/ -> lifetime_value.py (what is written,
table.sql) and holdout.py (how good it was).
"""

from crm_analytics import lazy

__getattr__, __dir__, __all__ = lazy.exports(__name__, __file__)
