"""What may the analysis see?  As-of views of the entities: table macros that cannot see past as_of.

Each ``<name>.sql`` becomes ``facts.<name>(as_of)``. An event counts when its business day lies before
as_of; dates at or after as_of are empty; amounts are in the reporting currency (NULL = no rate).
"""

from crm_analytics import lazy

__getattr__, __dir__, __all__ = lazy.exports(__name__, __file__)
