"""What all suites share."""

import asyncio

pytest_plugins = ["sympozium.testing.plugin"]


def pytest_sessionstart() -> None:
    """Say that the main thread has no loop: pytest-asyncio would else make one and never close it."""
    asyncio.set_event_loop(None)
