"""What all suites share."""

import asyncio
import gc
import os
import signal

from hypothesis import HealthCheck, settings

pytest_plugins = ["sympozium.testing.plugin"]

# How long an example takes says how busy the machine is, and nothing of the code. SYMPOZIUM_EXAMPLES=3000 is for a long look
# by hand.
settings.register_profile(
    "untimed",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    max_examples=int(os.environ.get("SYMPOZIUM_EXAMPLES", "50")),
)
settings.load_profile("untimed")
# What is imported and collected stays to the end: looking through it for garbage is a sixth of a collection.
gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


def pytest_sessionstart() -> None:
    """Say that the main thread has no loop: pytest-asyncio would else make one and never close it.

    A shell starts what runs in its background with SIGINT ignored, and the programs under test would inherit that.
    """
    asyncio.set_event_loop(None)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
