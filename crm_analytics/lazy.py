"""How does `import crm_analytics` stay fast?  Public names are loaded when they are first used.

A package's ``__init__`` declares where each of its names lives and gets back the two module hooks:

    __getattr__, __dir__ = lazy.exports(__name__, {"rfm": ".rfm", "clusters": ".clusters:fit"})

A target is ``.module`` (the name of the same spelling in it), ``.module:other_name``, or
``.module:`` for the module itself.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def exports(package: str, targets: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` of a package that loads its names on first use.

    Parameters
    ----------
    package : str
        ``__name__`` of the package.
    targets : mapping of str to str
        Public name -> where it lives, relative to the package.

    Examples
    --------
    >>> load, names = exports("crm_analytics", {"CrmError": ".errors"})
    >>> load("CrmError").__name__, names()
    ('CrmError', ['CrmError'])
    """

    def load(name: str) -> Any:
        if name not in targets:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module_name, colon, attribute = targets[name].partition(":")
        module = importlib.import_module(module_name, package)
        value = module if colon and not attribute else getattr(module, attribute or name)
        setattr(sys.modules[package], name, value)
        return value

    return load, lambda: sorted(targets)
