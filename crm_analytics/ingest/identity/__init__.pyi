"""Public names of the package, and where they live; read by `crm_analytics.lazy` too."""

from .linkage import LinkReport as LinkReport
from .linkage import link as link
from .linkage import link_records as link_records
from .pairs import pair as pair
from .pairs import review as review
