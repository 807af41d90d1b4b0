"""What do people and apps write, one record at a time?  The operational record store (floor 1)."""

from crm_analytics import lazy

__all__ = ["Record", "RecordStore", "changes"]

__getattr__, __dir__ = lazy.exports(
    __name__,
    {
        "Record": ".record",
        "RecordStore": ".store",
        "changes": ".changes:",
    },
)
