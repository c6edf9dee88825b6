"""`python -m whichdance`: the command `whichdance`."""

import sys

from whichdance.command import main

if __name__ == "__main__":
    sys.exit(main())
