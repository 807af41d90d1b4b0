"""Public names of the package, and where they live; read by `crm_analytics.lazy` too."""

from .customer_scores import customer_scores as customer_scores
from .next_best_offer.model import OfferModel as OfferModel
from .next_best_offer.model import load_offer_model as load_offer_model
from .next_best_offer.offers import next_best_offers as next_best_offers
from .next_best_offer.training import train_offers as train_offers
