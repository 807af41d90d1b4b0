"""What does one hand to people who do not open a notebook?  Self-contained HTML reports (floor 7)."""

from crm_analytics import lazy

__all__ = ["company_report"]

__getattr__, __dir__ = lazy.exports(__name__, {"company_report": ".company"})
