"""What happens in the process that loads one file for `crm_analytics.ingest.apart`?

It is asked on stdin and answers on stdout, both in JSON. It bounds its own memory and processor time before
it looks at the file. An error that is ours goes back with its class; of any other only the name of the class
does, since its text may hold values of the file.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from crm_analytics.errors import CrmError, FileRefused, OutOfMemoryError
from crm_analytics.ingest.load import Call, load_file
from crm_analytics.warehouse import Warehouse


def main() -> None:
    """Answer one request."""
    request = json.loads(sys.stdin.buffer.read())
    for limit, most in (("RLIMIT_AS", "memory_bytes"), ("RLIMIT_CPU", "processor_seconds")):
        kind = getattr(resource, limit)
        hard = resource.getrlimit(kind)[1]
        bound = request[most] if hard == resource.RLIM_INFINITY else min(request[most], hard)
        resource.setrlimit(kind, (bound, hard))
    sys.stdout.write(json.dumps(_answer(request), default=str))


def _answer(request: Mapping[str, Any]) -> dict[str, Any]:
    try:
        with Warehouse.borrowed(**request["warehouse"]) as wh:
            loads = load_file(wh, Path(request["file"]), request["name"], _call(request["call"]))
    except MemoryError:
        return {"error": _told(OutOfMemoryError(f"{request['name']}: more memory than isolate allows."))}
    except CrmError as error:
        return {"error": _told(error)}
    except Exception as error:
        return {"failed": type(error).__name__}
    return {"loads": [asdict(one) for one in loads]}


def _call(given: Mapping[str, Any]) -> Call:
    totals = {name: Decimal(total) for name, total in given["control_totals"].items()}
    moment = datetime.fromisoformat(given["received_at"])
    return Call(**(dict(given) | {"control_totals": totals, "received_at": moment}))


def _told(error: CrmError) -> dict[str, Any]:
    attributes = vars(error) if isinstance(error, FileRefused) else {}
    return {"class": type(error).__name__, "message": str(error), "attributes": attributes}


if __name__ == "__main__":
    main()
