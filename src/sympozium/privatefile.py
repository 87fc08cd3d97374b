"""Files for their owner alone: keys, tokens, whatever names them."""

import os
from pathlib import Path


def write_private(path: Path, content: str | bytes) -> None:
    """Replace a file, mode 0600, whole or not at all: readers and a crash see the old one or the new one."""
    data = content.encode() if isinstance(content, str) else content
    temporary = path.with_name(path.name + ".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
