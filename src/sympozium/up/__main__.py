"""The detached supervisor: `python -m sympozium.up DATA_DIR PORT,DASHBOARD_PORT NOTIFY_FD [TOKEN_AUTH_FILE]`."""

import sys
from pathlib import Path

from sympozium.up.commands import Ports, supervise

if __name__ == "__main__":
    data_dir, ports, notify, *rest = sys.argv[1:]
    asked = Ports(*map(int, ports.split(",")))
    sys.exit(supervise(Path(data_dir), asked, Path(rest[0]) if rest else None, int(notify)))
