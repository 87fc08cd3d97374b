"""The detached supervisor: `python -m sympozium.up DATA_DIR PORT NOTIFY_FD [TOKEN_AUTH_FILE]`."""

import sys
from pathlib import Path

from sympozium.up.commands import supervise

if __name__ == "__main__":
    data_dir, port, notify, *rest = sys.argv[1:]
    sys.exit(supervise(Path(data_dir), int(port), Path(rest[0]) if rest else None, int(notify)))
