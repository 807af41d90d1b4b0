"""Which source records are one customer?  The linkage, its evidence and its run (floor 3)."""

from crm_analytics import lazy

__getattr__, __dir__, __all__ = lazy.exports(__name__, __file__)
