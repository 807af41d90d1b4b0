"""How is the library used from a shell?  ``crm-analytics``, verb for verb the library.

Exit codes: 0 ok, 1 failed, 2 wrong usage or settings, 3 blocked by the audit, 4 done but of some files
nothing came in (refused, or every record set aside), 130 stopped by Ctrl-C. Results go to standard
output (``--json`` for machines), progress and errors to standard error. An error of ours is one readable
block; anything else is a defect and says where it happened.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

OK, FAILED, USAGE, BLOCKED, SOME_REFUSED, STOPPED = 0, 1, 2, 3, 4, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code.

    Parameters
    ----------
    argv : sequence of str, optional
        The words after ``crm-analytics``; default those of the process.

    Examples
    --------
    >>> main(["scores", "--folder", "no/such/folder", "--json"])
    2
    """
    from crm_analytics.cli.commands import app
    from crm_analytics.cli.output import print_error
    from crm_analytics.errors import AuditBlocked, CrmError, UsageError

    umask = os.umask(0o077)  # what a command writes, spilled rows included, is the user's alone
    try:
        app(args=None if argv is None else list(argv), prog_name="crm-analytics")
    except SystemExit as done:
        if done.code == STOPPED:  # what typer makes of KeyboardInterrupt
            sys.stderr.write("Stopped; the warehouse is as it was before this file.\n")
        return done.code if isinstance(done.code, int) else FAILED
    except AuditBlocked as error:
        print_error("Blocked by the audit", str(error))
        return BLOCKED
    except UsageError as error:
        print_error("Cannot be done like this", str(error))
        return USAGE
    except CrmError as error:
        print_error("Failed", str(error))
        return FAILED
    except Exception as error:
        print_error("A defect of crm_analytics, not of your data", _where(error))
        return FAILED
    finally:
        os.umask(umask)
    return OK


def _where(error: BaseException) -> str:
    """Name an unexpected error and the place in our code, without its text: it may quote data."""
    trace, place = error.__traceback__, "unknown place"
    while trace is not None:
        module = trace.tb_frame.f_globals.get("__name__", "")
        if module.startswith("crm_analytics."):
            place = f"{module}, line {trace.tb_lineno}"
        trace = trace.tb_next
    return f"{type(error).__name__} in {place}. Please report it with the command that you gave."
