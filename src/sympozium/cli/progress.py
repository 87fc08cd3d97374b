"""What long work says while it lasts: a line on standard error that is gone when the work is done.

Only where a person looks on: with standard error no terminal nothing is written, so what scripts read is never touched.
"""

import itertools
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_PLAIN_FRAMES = "-\\|/"
_INTERVAL = 0.1
_PATIENCE = 0.3
"""Seconds until the line appears: what is quick needs no words."""


@contextmanager
def working(words: str) -> Iterator[None]:
    """Say what is being done, and for how long, as long as the block lasts."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield
        return
    done = threading.Event()
    thread = threading.Thread(target=_turn, args=(words, done), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _turn(words: str, done: threading.Event) -> None:
    began = time.monotonic()
    if done.wait(_PATIENCE):
        return
    unicode = (sys.stderr.encoding or "").lower().startswith("utf")
    for frame in itertools.cycle(_FRAMES if unicode else _PLAIN_FRAMES):
        seconds = int(time.monotonic() - began)
        width = os.get_terminal_size(sys.stderr.fileno()).columns
        line = f"{frame} {words}" + (f" ({seconds} s)" if seconds else "")
        sys.stderr.write("\r\033[K" + line[: max(width - 1, 0)])
        sys.stderr.flush()
        if done.wait(_INTERVAL):
            break
    sys.stderr.write("\r\033[K")
    sys.stderr.flush()
