"""How do exports and the record store's changes become entities?  `load` and `sync` (floor 3)."""

from crm_analytics import lazy

__all__ = ["Load", "load", "sync"]

__getattr__, __dir__ = lazy.exports(
    __name__, {"Load": ".load:Load", "load": ".load:load", "sync": ".sync:sync"}
)
