"""What does a written value mean, in any locale?  Pure functions; locale is known only here."""

from crm_analytics import lazy

__all__ = ["CURRENCIES", "DIGITS", "odd_local_times"]

__getattr__, __dir__ = lazy.exports(
    __name__,
    {"CURRENCIES": ".currencies", "DIGITS": ".digits", "odd_local_times": ".local_time"},
)
