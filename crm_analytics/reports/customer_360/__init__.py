"""What do we know of one customer?  Everything that the facts and the last night say, on one page."""

from crm_analytics import lazy

__getattr__, __dir__, __all__ = lazy.exports(__name__, __file__)
