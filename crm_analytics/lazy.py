"""How does `import crm_analytics` stay fast?  Public names are loaded when they are first used.

A package's stub ``__init__.pyi`` says where each public name lives; type checkers and editors read it,
and so does `exports`, which gives the package its hooks:

    __getattr__, __dir__, __all__ = lazy.exports(__name__, __file__)

with, in the stub, ``from .rfm import rfm as rfm`` or, for a module, ``from . import clv as clv``.
"""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any


class _Package(ModuleType):
    """A package whose public functions are not hidden by the modules of the same name they live in.

    Importing ``segmentation.rfm`` sets ``segmentation.rfm`` to the module; the promised name is the
    function in it.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        _, attribute = self.__dict__["_exported"].get(name, ("", None))
        if attribute is None or not isinstance(value, ModuleType):
            super().__setattr__(name, value)


def exports(package: str, file: str) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return ``__getattr__``, ``__dir__`` and ``__all__`` of a package that loads its names on first use.

    Parameters
    ----------
    package, file : str
        ``__name__`` and ``__file__`` of the package; its stub lies beside the file.

    Examples
    --------
    >>> import crm_analytics
    >>> crm_analytics.segmentation.rfm.__name__
    'rfm'
    """
    exported = _read_stub(Path(file).with_suffix(".pyi"))
    module = sys.modules[package]
    module.__dict__["_exported"] = exported
    module.__class__ = _Package

    def load(name: str) -> Any:
        if name not in exported:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        source, attribute = exported[name]
        found = importlib.import_module(source, package)
        value = found if attribute is None else getattr(found, attribute)
        module.__dict__[name] = value
        return value

    names = sorted(exported)
    return load, lambda: names, names


def _read_stub(path: Path) -> dict[str, tuple[str, str | None]]:
    """Return public name -> (relative module, name in it; None = the module itself)."""
    exported: dict[str, tuple[str, str | None]] = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                public = alias.asname or alias.name
                if node.module is None:
                    exported[public] = (f".{alias.name}", None)
                else:
                    exported[public] = (f".{node.module}", alias.name)
    return exported
