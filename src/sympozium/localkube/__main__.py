"""`python -m sympozium.localkube`: the embedded Kubernetes API as a process of its own."""

import sys

from sympozium.localkube.command import main

if __name__ == "__main__":
    sys.exit(main())
