"""Public names of the package, and where they live; read by `crm_analytics.lazy` too."""

from .offers import next_best_offers as next_best_offers
from .recommenders import RECOMMENDERS as RECOMMENDERS
from .training import train_offers as train_offers
