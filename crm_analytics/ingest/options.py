"""How does a message name an option of `load`, for a notebook and for the command line?"""

from __future__ import annotations


def option(name: str, *examples: str) -> str:
    """Return an option as it is said in Python and as a flag, with values to try.

    Examples
    --------
    >>> option("encoding")
    'encoding= (--encoding)'
    >>> option("date_format", "%d/%m/%Y", "%m/%d/%Y")
    "date_format='%d/%m/%Y' or '%m/%d/%Y' (--date-format)"
    """
    values = " or ".join(repr(one) for one in examples)
    return f"{name}={values} (--{name.replace('_', '-')})"
