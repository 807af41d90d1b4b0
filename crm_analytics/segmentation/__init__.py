"""Who are our customers?  Segments one can act on (floor 4).

RFM scores: ``rfm.sql``; the names of their combinations and what to do: ``segment_names.toml``.
"""

from crm_analytics import lazy

__getattr__, __dir__, __all__ = lazy.exports(__name__, __file__)
