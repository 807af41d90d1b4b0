"""How is a warehouse kept so that a stolen disk tells nothing?  In DuckDB's AES-GCM, by a key of yours.

The key is read from the environment and kept nowhere. DuckDB writes encrypted files only with its secure
crypto module (the extension httpfs), which must be installed beforehand: nothing is fetched from here. Its
other module, which it calls unsafe itself, is never used for writing.

Source: DuckDB's documentation of ATTACH (ENCRYPTION_KEY) and of the setting temp_file_encryption.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import duckdb

from crm_analytics.errors import SettingsError, StoreError
from crm_analytics.warehouse.duckdb_errors import translated

KEY = "CRM_ANALYTICS_KEY"
KEY_CHARACTERS = 16
# Name under which an encrypted file is attached.
CATALOG = "encrypted_warehouse"


class Key:
    """A key that shows itself nowhere.

    Examples
    --------
    >>> Key("correct horse battery")
    Key('***')
    """

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return "Key('***')"

    def reveal(self) -> str:
        """Return the key itself."""
        return self._text


def read_key() -> Key:
    """Return the key of the environment.

    Raises
    ------
    SettingsError
        There is none, or it is too short.
    """
    text = os.environ.get(KEY, "")
    if len(text) < KEY_CHARACTERS:
        raise SettingsError(
            f"An encrypted warehouse needs its key in the environment variable {KEY}, of {KEY_CHARACTERS} "
            "characters or more. Keep it in a safe place: nobody can read the warehouse without it."
        )
    return Key(text)


def check_module() -> None:
    """Refuse, before anything is written, where encrypted files cannot be.

    Raises
    ------
    StoreError
        The secure crypto module cannot be loaded.
    """
    connection = _bare({})
    try:
        load_module(connection)
    except duckdb.Error as error:
        raise StoreError(
            f"DuckDB {duckdb.__version__} cannot encrypt here: its secure crypto module, the extension "
            "httpfs, is not installed. Nothing was written. Install it for this version, or leave encrypt "
            "out and encrypt the disk (LUKS, FileVault, BitLocker)."
        ) from error
    finally:
        connection.close()


def load_module(connection: duckdb.DuckDBPyConnection) -> None:
    """Load what DuckDB writes encrypted files with, from where it is installed."""
    connection.execute("load httpfs").fetchall()


def connect(path: str, key: Key, config: Mapping[str, Any], *, read_only: bool) -> duckdb.DuckDBPyConnection:
    """Open an encrypted file; what is moved to disk meanwhile is encrypted as well."""
    spill = {"temp_directory": f"{path}.tmp"}
    connection = _bare({**config, **spill})
    try:
        if not read_only:
            load_module(connection)
        connection.execute("set temp_file_encryption = true").fetchall()
        attach(connection, path, CATALOG, key, read_only=read_only)
    except BaseException:
        connection.close()
        raise
    return connection


def attach(
    connection: duckdb.DuckDBPyConnection, path: str, name: str, key: Key, *, read_only: bool = False
) -> None:
    """Attach an encrypted file (made, where it is not there) to a connection."""
    how = ", read_only" if read_only else ""
    with translated():
        connection.execute(
            f"attach $path as {name} (encryption_key $key{how})", {"path": path, "key": key.reveal()}
        ).fetchall()


def _bare(config: Mapping[str, Any]) -> duckdb.DuckDBPyConnection:
    quiet = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "python_enable_replacements": False,
    }
    return duckdb.connect(":memory:", config={**quiet, **config})
