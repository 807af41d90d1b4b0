"""How is a model kept and read back safely?  One JSON file with its own digest; never a pickle.

The file holds ``format``, ``kind``, ``features`` (names, in order), ``content`` (plain JSON; an xgboost
model is its own JSON text in there) and ``sha256`` of all that. Reading parses JSON and compares; it runs
nothing. A model of another kind, a changed byte, a truncated file and a pickle are all refused with
ModelFileError.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from crm_analytics.errors import ModelFileError, StoreIOError, UsageError

FORMAT = "crm_analytics model 1"


def save_model(
    path: str | os.PathLike[str], *, kind: str, features: Sequence[str], content: Mapping[str, Any]
) -> Path:
    """Write a model; the file appears whole or not at all.

    Parameters
    ----------
    path : path
        File to write, for example ``models/churn.json``; its folder must exist.
    kind : str
        What it is, for example ``churn``; `load_model` asks for it.
    features : sequence of str
        Names of the columns that the model reads, in order.
    content : mapping
        Everything else, as plain JSON types (no NaN).
    """
    target = Path(path)
    if not target.parent.is_dir():
        raise UsageError(f"{target}: the folder {target.parent} does not exist. Create it first.")
    body = {"format": FORMAT, "kind": kind, "features": list(features), "content": dict(content)}
    text = json.dumps({**body, "sha256": _digest(body)}, indent=1, sort_keys=True, allow_nan=False)
    try:
        _write_whole(target, text)
    except OSError as error:
        raise StoreIOError(f"{target}: the model could not be written ({error}).") from error
    return target


def load_model(path: str | os.PathLike[str], *, kind: str) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Read a model back: its feature names and its content.

    Raises
    ------
    ModelFileError
        Not our JSON, changed since it was written, or a model of another kind.
    UsageError
        There is no such file.
    """
    source = Path(path)
    if not source.is_file():
        raise UsageError(f"{source}: no such model file. Train one first.")
    try:
        body = json.loads(source.read_bytes().decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ModelFileError(
            f"{source.name}: not a model of crm_analytics (damaged, truncated or of another format). "
            "Nothing of it was run. Train the model again."
        ) from error
    except OSError as error:
        raise StoreIOError(f"{source}: the model could not be read ({error}).") from error
    if not isinstance(body, dict) or body.get("format") != FORMAT:
        raise ModelFileError(f"{source.name}: not a model of crm_analytics. Train the model again.")
    stored = body.pop("sha256", None)
    if stored != _digest(body):
        raise ModelFileError(
            f"{source.name}: the content does not match its sha256, so it was changed after it was written. "
            "Restore the file or train the model again."
        )
    if body.get("kind") != kind:
        raise ModelFileError(
            f"{source.name}: holds a model of kind {body.get('kind')!r}, but {kind!r} was asked for."
        )
    try:
        return tuple(body["features"]), dict(body["content"])
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(
            f"{source.name}: features or content are missing. Train the model again."
        ) from error


def check_features(expected: Sequence[str], found: Sequence[str], *, model: str) -> None:
    """Raise ModelFileError unless the columns at hand are those of the model, in its order."""
    if list(expected) == list(found):
        return
    missing = [name for name in expected if name not in set(found)]
    unknown = [name for name in found if name not in set(expected)]
    if missing or unknown:
        difference = f"missing {missing}, not known to the model {unknown}"
    else:
        difference = "same names in another order"
    raise ModelFileError(
        f"The {model} model was trained on other features: {difference}. Train the model again."
    )


def _digest(body: Mapping[str, Any]) -> str:
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _write_whole(target: Path, text: str) -> None:
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
