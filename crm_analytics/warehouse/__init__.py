"""Where are the data kept?  The only door to DuckDB (floor 1)."""

from crm_analytics import lazy

__getattr__, __dir__, __all__ = lazy.exports(__name__, __file__)
