"""Waiting for something that has no watch (a process, a port, a file), with a bound."""

import threading
import time
from collections.abc import Callable

_INTERVAL = 0.05


def until(condition: Callable[[], bool], what: str, *, timeout: float = 60) -> None:
    """Return when `condition` holds. Raises AssertionError naming `what` after `timeout` seconds."""
    end = time.monotonic() + timeout
    pause = threading.Event()
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout:.0f} s: {what}")
        pause.wait(_INTERVAL)
