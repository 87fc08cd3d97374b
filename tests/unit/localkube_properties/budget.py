"""How many examples each property is tried on; SYMPOZIUM_EXAMPLES=5000 is for a long look by hand."""

import os

from hypothesis import settings

BUDGET = settings(max_examples=int(os.environ.get("SYMPOZIUM_EXAMPLES", "60")), deadline=None)
