"""Public names of the package, and where they live; read by `crm_analytics.lazy` too."""

from .link import LinkReport as LinkReport
from .link import link as link
from .link import link_records as link_records
from .pairs import pair as pair
from .pairs import review as review
