"""Who are our customers?  Segments one can act on (floor 4).

RFM scores: ``rfm.sql``; the names of their combinations and what to do: ``segment_names.toml``.
"""

from crm_analytics import lazy

__all__ = ["SegmentName", "plot_segments", "rfm", "segment_names", "segment_table"]

__getattr__, __dir__ = lazy.exports(
    __name__,
    {
        "SegmentName": ".names",
        "plot_segments": ".plots",
        "rfm": ".rfm",
        "segment_names": ".names",
        "segment_table": ".rfm",
    },
)
