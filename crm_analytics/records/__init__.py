"""What do people and apps write, one record at a time?  The operational record store (floor 1)."""

from crm_analytics import lazy

__getattr__, __dir__, __all__ = lazy.exports(__name__, __file__)
