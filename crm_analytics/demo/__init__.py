"""What can be shown without anybody's own data?  An invented company, and the path of CDNOW."""

from crm_analytics import lazy

__getattr__, __dir__, __all__ = lazy.exports(__name__, __file__)
