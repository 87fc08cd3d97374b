"""What all suites share."""

import asyncio
import signal

from hypothesis import HealthCheck, settings

pytest_plugins = ["sympozium.testing.plugin"]

# How long an example takes says how busy the machine is, and nothing of the code.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def pytest_sessionstart() -> None:
    """Say that the main thread has no loop: pytest-asyncio would else make one and never close it.

    A shell starts what runs in its background with SIGINT ignored, and the programs under test would inherit that.
    """
    asyncio.set_event_loop(None)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
