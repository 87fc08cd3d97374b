"""The directories of provisioned volumes: below one root, named after their PersistentVolume.

Everything here blocks on the disk; callers use a thread. Removal never follows a symbolic link out of the
root, whatever a pod has put there.
"""

import os
import shutil
from pathlib import Path

MODE = 0o777


class DirectoryError(Exception):
    """A directory could not be made or removed; the text says which and why."""


def path_of(root: Path, volume: str) -> Path:
    """Raises DirectoryError for a name that is not one directory below the root."""
    if not volume or volume in {".", ".."} or "/" in volume:
        raise DirectoryError(f"{volume!r} is no name of a volume directory")
    return root / volume


def make(root: Path, volume: str) -> Path:
    """The directory; one that is there is kept. Raises DirectoryError."""
    path = path_of(root, volume)
    try:
        root.mkdir(mode=0o711, parents=True, exist_ok=True)
        path.mkdir(exist_ok=True)
        path.chmod(MODE)  # the pods that will use it have users of their own
    except OSError as error:
        raise DirectoryError(f"cannot make {path}: {error.strerror}") from error
    return path


def remove(root: Path, volume: str) -> None:
    """Removes the directory and all that is in it; one that is gone is no error. Raises DirectoryError."""
    path = path_of(root, volume)
    if not os.path.lexists(path):
        return
    try:
        if path.is_symlink():
            path.unlink()
        else:
            shutil.rmtree(path)
    except OSError as error:
        raise DirectoryError(f"cannot remove {path}: {error.strerror}") from error
