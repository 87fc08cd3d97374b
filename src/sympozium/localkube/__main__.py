"""`python -m sympozium.localkube`: the embedded Kubernetes API as a process of its own."""

import gc
import sys

# What the imports make stays: to look through it for garbage, again and again, is a tenth of the start.
gc.disable()

from sympozium.localkube import earlykey  # noqa: E402

if __name__ == "__main__":
    earlykey.begin(sys.argv[1:])

from sympozium.localkube.command import main  # noqa: E402

gc.freeze()
gc.enable()

if __name__ == "__main__":
    sys.exit(main())
