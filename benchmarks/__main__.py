"""`python -m benchmarks`."""

import sys

from runtime.command.exits import needing

if __name__ == "__main__":
    with needing("python -m benchmarks", extra="bench"):
        from benchmarks.cli import main

        sys.exit(main())
