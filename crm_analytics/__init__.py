"""Analytical CRM in one local store: from operational exports to segments, value, churn risk and offers.

The promised names are below; each is loaded when it is first used, so ``import crm_analytics`` is fast.
"""

from crm_analytics import lazy

__version__ = "0.1.0"

__getattr__, __dir__ = lazy.exports(
    __name__,
    {
        "RecordStore": ".records",
        "Warehouse": ".warehouse",
        "churn": ".churn:",
        "Load": ".ingest.load",
        "clv": ".clv:",
        "errors": ".errors:",
        "load": ".ingest.load",
        "nightly": ".nightly:",
        "read_scores": ".warehouse.publish",
        "open_published": ".warehouse.publish",
        "scoring": ".scoring:",
        "segmentation": ".segmentation:",
        "sync": ".ingest.sync",
    },
)
