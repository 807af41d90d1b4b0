"""What is known of customers, deals, orders ...?  Versions and events from every source (floor 2)."""

from crm_analytics import lazy

__getattr__, __dir__, __all__ = lazy.exports(__name__, __file__)
