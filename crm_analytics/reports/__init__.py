"""What does one hand to people who do not open a notebook?  Self-contained HTML reports (floor 7)."""

from crm_analytics import lazy

__getattr__, __dir__, __all__ = lazy.exports(__name__, __file__)
