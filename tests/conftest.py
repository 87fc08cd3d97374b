"""What all suites share."""

import asyncio

from hypothesis import HealthCheck, settings

pytest_plugins = ["sympozium.testing.plugin"]

# How long an example takes says how busy the machine is, and nothing of the code.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def pytest_sessionstart() -> None:
    """Say that the main thread has no loop: pytest-asyncio would else make one and never close it."""
    asyncio.set_event_loop(None)
