"""`python -m export`."""

import sys

from runtime.command.exits import needing

if __name__ == "__main__":
    with needing("python -m export", extra="export"):
        from export.cli import main

        sys.exit(main())
