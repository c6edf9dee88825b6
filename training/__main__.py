"""`python -m training`."""

import sys

from runtime.command.exits import needing

if __name__ == "__main__":
    with needing("python -m training", extra="training"):
        from training.cli import main

        sys.exit(main())
