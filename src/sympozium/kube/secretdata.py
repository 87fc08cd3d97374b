"""What a Secret holds."""

import base64
from collections.abc import Mapping
from typing import Any


def decoded(secret: Mapping[str, Any] | None) -> dict[str, bytes]:
    """Its `data`; empty for a Secret without any, or for none. Raises ValueError for what is no base64."""
    return {key: base64.b64decode(value) for key, value in ((secret or {}).get("data") or {}).items()}
