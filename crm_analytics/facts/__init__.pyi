"""Public names of the package, and where they live; read by `crm_analytics.lazy` too."""

from .currency import settle_currency as settle_currency
