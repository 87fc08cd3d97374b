"""Pages of the documentation that tests hold against the code."""

from pathlib import Path

import pytest


@pytest.fixture
def docs() -> str:
    """docs/endpoints.md."""
    return (Path(__file__).parents[3] / "docs/endpoints.md").read_text()
