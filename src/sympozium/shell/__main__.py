"""`python -m sympozium.shell`: the entry point of the `shell` container."""

from __future__ import annotations

import signal
import sys
import threading
from typing import TYPE_CHECKING

from sympozium.shell.network import Closing
from sympozium.shell.server import ShellServer

if TYPE_CHECKING:
    from types import FrameType

USAGE = "usage: python -m sympozium.shell [--socket PATH] [--workspace DIR]"
DEFAULTS = {"--socket": "/run/sympozium/shell/shell.sock", "--workspace": "/workspace"}


def main(arguments: list[str]) -> int:
    """Serve until SIGTERM or SIGINT. Not argparse: it is a third of this program's start time."""
    options = dict(DEFAULTS)
    rest = iter(arguments)
    for name in rest:
        value = next(rest, None)
        if name not in options or value is None:
            sys.stderr.write(f"error: unknown or incomplete option {name!r}\n{USAGE}\n")
            return 2
        options[name] = value
    server = ShellServer(path=options["--socket"], workspace=options["--workspace"], before_command=Closing())

    def stop(_number: int, _frame: FrameType | None) -> None:
        # Not in the handler itself: it may have interrupted a thread that holds the server's lock.
        threading.Thread(target=server.stop, name="shell-stop").start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    sys.stderr.write(f'{{"msg":"shell listens","socket":"{options["--socket"]}"}}\n')
    server.serve()
    server.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
