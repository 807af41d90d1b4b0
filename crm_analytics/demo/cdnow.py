"""Where on this machine are the CDNOW purchases?  The two text files that ship with `lifetimes`.

CDNOW (an online music shop, 1997-01-01 to 1998-06-30) is the data set on which the purchase models of
this field were published. The files are found by path; `lifetimes` itself is not imported.
Source: Fader and Hardie (2001), "Forecasting repeat sales at CDNOW"; data as in lifetimes/datasets.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from crm_analytics.errors import InputError, UsageError

FILE_NAMES = {"sample": "CDNOW_sample.txt", "master": "CDNOW_master.txt"}


def cdnow_path(which: str = "sample") -> Path:
    """Return the path of a CDNOW file.

    Parameters
    ----------
    which : {"sample", "master"}, default "sample"
        The 1/10 sample of 2,357 customers, or all 23,570.

    Raises
    ------
    UsageError
        When ``which`` names no file.
    InputError
        When `lifetimes` is not installed, or was installed without its data files.

    Examples
    --------
    >>> cdnow_path("sample").name
    'CDNOW_sample.txt'
    """
    if which not in FILE_NAMES:
        raise UsageError(f"There is no CDNOW file {which!r}. Choose one of: {', '.join(FILE_NAMES)}.")
    spec = importlib.util.find_spec("lifetimes")
    if spec is None or spec.origin is None:
        raise InputError(
            "The CDNOW files ship with the package 'lifetimes', which is not installed here. "
            "Install it (pip install lifetimes), or name the path of a copy of your own."
        )
    path = Path(spec.origin).parent / "datasets" / FILE_NAMES[which]
    if not path.is_file():
        raise InputError(
            f"{path} is missing: this copy of 'lifetimes' was installed without its data files. "
            "Reinstall it (pip install --force-reinstall lifetimes)."
        )
    return path
