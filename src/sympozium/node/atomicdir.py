"""A directory of files that changes as a whole, the way the kubelet does it.

    volume/
      ..2026_01_02_03_04_05.1/   tls.crt, tls.key
      ..data -> ..2026_01_02_03_04_05.1
      tls.crt -> ..data/tls.crt

A reader that opens `..data` once sees one version; the link is replaced by a rename, so there is no
moment without files. https://pkg.go.dev/k8s.io/kubernetes/pkg/volume/util#AtomicWriter
"""

import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class File:
    content: bytes
    mode: int


def write(volume: Path, files: Mapping[str, File], owner: tuple[int, int] | None) -> bool:
    """Bring `volume` to hold exactly `files` (relative path -> file), owned by `owner`; whether it changed.

    Paths may have directories, which the caller has checked to stay inside. Raises OSError.
    """
    data = volume / "..data"
    if data.exists() and _current(data) == dict(files):
        return False
    fresh = volume / f"..{time.strftime('%Y_%m_%d_%H_%M_%S')}.{time.monotonic_ns()}"
    fresh.mkdir(mode=0o755)
    fresh.chmod(0o755)
    for relative, file in files.items():
        path = fresh / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.content)
        if owner:
            os.chown(path, *owner)
        path.chmod(file.mode)
    old = volume / data.readlink() if data.is_symlink() else None
    temporary = volume / "..data_tmp"
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(fresh.name)
    temporary.rename(data)
    _link(volume, {relative.split("/")[0] for relative in files})
    if old is not None:
        shutil.rmtree(old)
    return True


def _current(data: Path) -> dict[str, File]:
    return {
        str(path.relative_to(data)): File(path.read_bytes(), path.stat().st_mode & 0o7777)
        for path in data.rglob("*")
        if path.is_file()
    }


def _link(volume: Path, names: set[str]) -> None:
    """The visible names; those that are gone are removed after the data has changed."""
    for name in names:
        link = volume / name
        if not link.is_symlink():
            link.symlink_to(f"..data/{name}")
    for entry in volume.iterdir():
        if not entry.name.startswith("..") and entry.name not in names:
            entry.unlink()
