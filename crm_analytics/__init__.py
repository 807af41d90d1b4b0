"""Analytical CRM in one local store: from operational exports to segments, value, churn risk and offers.

The promised names are below; each is loaded when it is first used, so ``import crm_analytics`` is fast.
"""

from crm_analytics import lazy

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy.exports(__name__, __file__)
