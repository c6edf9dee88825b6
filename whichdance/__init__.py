"""whichdance by its own name: everything that `runtime` offers.

Examples
--------
>>> import whichdance
>>> whichdance.classify("examples/viennese_waltz.ogg").dance
'viennese_waltz'
"""

import runtime
from runtime import *  # noqa: F403

__all__: list[str] = []
__all__ += runtime.__all__
