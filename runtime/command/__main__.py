"""`python -m runtime.command`: the command whichdance."""

import sys

from runtime.command.cli import main

if __name__ == "__main__":
    sys.exit(main())
