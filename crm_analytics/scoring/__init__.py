"""What should be done with each customer?  Next best offers, and one row per customer with all scores."""

from crm_analytics import lazy

__all__ = ["OfferModel", "customer_scores", "load_offer_model", "next_best_offers", "train_offers"]

__getattr__, __dir__ = lazy.exports(
    __name__,
    {
        "OfferModel": ".next_best_offer.model",
        "customer_scores": ".customer_scores",
        "load_offer_model": ".next_best_offer.model",
        "next_best_offers": ".next_best_offer.offers",
        "train_offers": ".next_best_offer.training",
    },
)
