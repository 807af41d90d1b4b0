"""What is kept of one person, and how does it leave?  Erase, and export; both reach into every table."""

from crm_analytics import lazy

__getattr__, __dir__, __all__ = lazy.exports(__name__, __file__)
