"""What should each customer be offered next?  Recommenders, blended into a calibrated purchase probability.

The order of the work: purchases.py (what is known) -> recommenders.py (which products fit) -> blend.py
(what that is worth as a probability) -> training.py (learned and judged on later windows) -> offers.py
(what is said).
"""

from crm_analytics import lazy

__all__ = ["RECOMMENDERS", "next_best_offers", "train_offers"]

__getattr__, __dir__ = lazy.exports(
    __name__,
    {"RECOMMENDERS": ".recommenders", "next_best_offers": ".offers", "train_offers": ".training"},
)
