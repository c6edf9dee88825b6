"""`python -m web_app`."""

import sys

from web_app.cli import main

sys.exit(main())
