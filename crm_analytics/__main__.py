"""Does ``python -m crm_analytics`` work?  It is the command line, without the script on the path."""

from __future__ import annotations

import sys

from crm_analytics.cli import main

if __name__ == "__main__":
    sys.exit(main())
