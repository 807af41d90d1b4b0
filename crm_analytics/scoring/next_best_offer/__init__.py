"""What should each customer be offered next?  Recommenders, blended into a purchase probability.

The order of the work: purchases.py (what is known) -> recommenders.py (which products fit) -> blend.py
(what that is worth as a probability) -> training.py (learned and judged on later windows) -> offers.py
(what is said).
"""

from crm_analytics import lazy

__getattr__, __dir__, __all__ = lazy.exports(__name__, __file__)
