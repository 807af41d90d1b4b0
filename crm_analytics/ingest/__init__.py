"""How do exports and the record store's changes become entities?  `load` and `sync` (floor 3)."""

from crm_analytics import lazy

__getattr__, __dir__, __all__ = lazy.exports(__name__, __file__)
