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
from types import ModuleType
from typing import Any


class _Package(ModuleType):
    """A package whose public functions are not hidden by the modules of the same name they live in.

    Importing ``segmentation.rfm`` sets ``segmentation.rfm`` to the module; the promised name is the
    function in it.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        target = self.__dict__.get("_exported", {}).get(name, ".:")
        if not (isinstance(value, ModuleType) and not target.endswith(":")):
            super().__setattr__(name, value)


def exports(
    package: str, targets: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` of a package that loads its names on first use.

    Parameters
    ----------
    package : str
        ``__name__`` of the package.
    targets : mapping of str to str
        Public name -> where it lives, relative to the package.

    Examples
    --------
    >>> import crm_analytics
    >>> crm_analytics.segmentation.rfm.__name__
    'rfm'
    """
    module = sys.modules[package]
    module.__dict__["_exported"] = dict(targets)
    module.__class__ = _Package

    def load(name: str) -> Any:
        if name not in targets:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module_name, colon, attribute = targets[name].partition(":")
        found = importlib.import_module(module_name, package)
        value = found if colon and not attribute else getattr(found, attribute or name)
        module.__dict__[name] = value
        return value

    return load, lambda: sorted(targets)
