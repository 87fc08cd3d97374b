"""What all suites share."""

import asyncio
import warnings

import pytest

pytest_plugins = ["sympozium.testing.plugin"]


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish() -> None:
    """Close the loop that pytest-asyncio makes for itself and forgets: warnings are errors here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            loop = asyncio.get_event_loop_policy().get_event_loop()
        except RuntimeError:
            return
    if not loop.is_running():
        loop.close()
