"""Which files of a folder are exports, and which things in it are none?  Links, pipes, folders out of reach.

Nothing is left out in silence but hidden files: what has the ending of an export and is no ordinary file of
the folder is refused by its name. A link is not followed out of the folder, a pipe would wait for ever.
"""

from __future__ import annotations

import os
from pathlib import Path

from crm_analytics.errors import FileRefused
from crm_analytics.ingest.kinds import SUFFIXES

_JOINERS = "\u200c\u200d"  # stand in words of Persian


def exports(folder: Path) -> list[Path]:
    """Return what `load` takes of a folder, in its order: by ending, and subfolders that cannot be read."""
    return [path for path in _visible(folder) if _is_export(path)]


def passed_over(folder: Path) -> list[Path]:
    """Return the files of a folder that `load` passes over by their ending; hidden files are not told."""
    return [path for path in _visible(folder) if not _is_export(path)]


def name_in(path: Path, folder: Path) -> str:
    """Return by what a file of a folder is called: files of one name in several subfolders are several.

    Examples
    --------
    >>> name_in(Path("inbox/shop/orders.csv"), Path("inbox"))
    'shop/orders.csv'
    """
    return shown_name(path.relative_to(folder).as_posix())


def shown_name(name: str) -> str:
    """Return the name of a file as messages call it: signs that act on a terminal are written out.

    Examples
    --------
    >>> print(shown_name("orders\\x1b[2J.csv"))
    orders\\x1b[2J.csv
    """
    return "".join(
        sign if sign.isprintable() or sign in _JOINERS else sign.encode("unicode_escape").decode("ascii")
        for sign in name
    )


def check_place(path: Path, folder: Path) -> None:
    """Refuse what is no ordinary file of a folder.

    Raises
    ------
    FileRefused
        ``unreadable``: a subfolder that cannot be read; ``not_a_file``: a link that leads nowhere or out of
        the folder, a pipe, socket or device.
    """
    name = name_in(path, folder)
    if path.is_dir() and not path.is_symlink():
        raise _refused(name, "unreadable", "the folder cannot be read. Look at its permissions.")
    if path.is_symlink():
        target = path.resolve()
        if not target.is_relative_to(folder.resolve()):
            told = "a link that leads out of the folder is not followed. Load that file by its name."
            raise _refused(name, "not_a_file", told)
    if not path.is_file():
        told = "no file that can be read: a pipe, socket, device, or a link that leads nowhere. Remove it."
        raise _refused(name, "not_a_file", told)


def _is_export(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES or (path.is_dir() and not path.is_symlink())


def _visible(folder: Path) -> list[Path]:
    """Return what lies in a folder and its subfolders, not hidden; a subfolder only if out of reach."""
    found: list[Path] = []

    def out_of_reach(error: OSError) -> None:
        found.append(Path(error.filename))

    for place, folders, files in os.walk(folder, onerror=out_of_reach):
        links = [name for name in folders if Path(place, name).is_symlink()]
        folders[:] = [name for name in folders if not name.startswith(".") and name not in links]
        found += [Path(place, name) for name in (*files, *links) if not name.startswith(".")]
    return sorted(found, key=lambda path: name_in(path, folder))


def _refused(name: str, reason: str, text: str) -> FileRefused:
    return FileRefused(f"{name}: {text}", file=name, reason=reason)
