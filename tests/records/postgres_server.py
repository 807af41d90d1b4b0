"""Where do the tests find a real PostgreSQL?  A server from the system's packages, started for one test run.

The newest of ``/usr/lib/postgresql/*/bin`` (or the one on the PATH) makes a cluster in a temporary folder,
with data checksums and fsync on, and listens on a socket in that folder only: no port, no password, no
network. It refuses to run as root, so root lends it to another user. The workers of pytest-xdist share one
server: the
first to come starts it, and the last to leave stops it.
"""

from __future__ import annotations

import fcntl
import json
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

UNPRIVILEGED = ("postgres", "nobody")


class NoPostgresError(Exception):
    """There is no PostgreSQL here, or it cannot be started; the text says why."""


def binaries() -> Path:
    """Return the folder of initdb and pg_ctl."""
    installed = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]), reverse=True
    )
    found = [str(path) for path in installed] or [shutil.which("initdb") or ""]
    if not found[0]:
        raise NoPostgresError("no PostgreSQL server is installed (apt-get install postgresql)")
    return Path(found[0]).resolve().parent


@contextmanager
def server(shared: Path) -> Iterator[str]:
    """Give the folder of the server's socket; `shared` is a folder that all workers of the run know."""
    state = shared / "postgres.json"
    with _turn(shared):
        running = json.loads(state.read_text()) if state.exists() else {"users": 0, "folder": _start()}
        running["users"] += 1
        state.write_text(json.dumps(running))
    try:
        yield running["folder"]
    finally:
        with _turn(shared):
            running = json.loads(state.read_text())
            running["users"] -= 1
            if running["users"]:
                state.write_text(json.dumps(running))
            else:
                state.unlink()
                _stop(running["folder"])


@contextmanager
def _turn(shared: Path) -> Iterator[None]:
    with (shared / "postgres.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _start() -> str:
    folder = tempfile.mkdtemp(prefix="crm_pg_")  # short: the path of a socket may have 107 characters
    user = _user()
    try:
        if user is not None:
            shutil.chown(folder, user.pw_uid, user.pw_gid)
        options = (
            f"-k {folder} -c listen_addresses='' -c fsync=on -c max_connections=60 -c shared_buffers=32MB"
        )
        initdb = [
            "initdb",
            "-D",
            f"{folder}/data",
            "-U",
            "tests",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "-k",
            "-A",
            "trust",
        ]
        _run(initdb, user)
        _run(["pg_ctl", "-D", f"{folder}/data", "-l", f"{folder}/log", "-w", "-o", options, "start"], user)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def _stop(folder: str) -> None:
    _run(["pg_ctl", "-D", f"{folder}/data", "-m", "immediate", "-w", "stop"], _user())
    shutil.rmtree(folder, ignore_errors=True)


def _user() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    for name in UNPRIVILEGED:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise NoPostgresError("root cannot run PostgreSQL, and there is no other user to lend it to")


def _run(command: list[str], user: pwd.struct_passwd | None) -> None:
    as_user = {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    command[0] = str(binaries() / command[0])
    # pg_ctl's server inherits what it is given: a pipe would never end.
    done = subprocess.run(
        command,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
        timeout=120,
        **as_user,
    )
    if done.returncode:
        raise NoPostgresError(f"{Path(command[0]).name} failed with exit code {done.returncode}")
