"""What does a written value mean, in any locale?  Pure functions; locale is known only here."""

from crm_analytics import lazy

__getattr__, __dir__, __all__ = lazy.exports(__name__, __file__)
