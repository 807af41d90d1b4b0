"""What is known of customers, deals, orders ...?  Versions and events from every source (floor 2)."""

from crm_analytics import lazy

__all__ = ["Stored", "store_versions"]

__getattr__, __dir__ = lazy.exports(__name__, {"Stored": ".versions", "store_versions": ".versions"})
