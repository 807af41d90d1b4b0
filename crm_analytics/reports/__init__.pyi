"""Public names of the package, and where they live; read by `crm_analytics.lazy` too."""

from .company import company_report as company_report
from .customer_360.view import Customer as Customer
from .customer_360.view import customer as customer
