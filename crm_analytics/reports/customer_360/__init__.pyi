"""Public names of the package, and where they live; read by `crm_analytics.lazy` too."""

from .by_customer import lay_out as lay_out
from .view import Customer as Customer
from .view import customer as customer
