"""What should be done with each customer?  Next best offers, and one row per customer with all scores."""

from crm_analytics import lazy

__getattr__, __dir__, __all__ = lazy.exports(__name__, __file__)
