"""The images of this machine: a catalogue that says which host programs stand for which image name.

There is no registry and no pull. An image is a list of host directories that are bound read-only, an
entry point, PATH entries and environment; the host's `/usr` is part of every one. The catalogue is read
again when its file changes, so an installation can add images under a running node.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sympozium.node import yaml

_KNOWN = {"name", "entrypoint", "binds", "path", "env"}


class ImageError(Exception):
    """An image that this node does not have; the text says which it has and what to do."""


class CatalogueError(Exception):
    """The catalogue file is unreadable; the text says where and why."""


@dataclass(frozen=True, slots=True)
class Image:
    """One entry of the catalogue. `binds` are absolute host paths, bound read-only at the same path."""

    name: str
    entrypoint: tuple[str, ...]
    binds: tuple[str, ...]
    path: tuple[str, ...]
    env: Mapping[str, str]
    digest: str
    """Of the entry: this node has no image content of its own to digest, and says so by the `host:` scheme."""

    @property
    def id(self) -> str:
        return f"host://{self.name}@sha256:{self.digest}"


class Catalogue:
    """`images.yaml`, looked up by name."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_at: tuple[int, int] | None = None
        self._images: dict[str, Image] = {}
        self._refresh()

    def names(self) -> list[str]:
        self._refresh()
        return list(self._images)

    def find(self, name: str) -> Image:
        """The image of a container. Raises ImageError, or CatalogueError when the file has become bad."""
        self._refresh()
        for candidate in (name, f"{name}:latest") if "@" not in name else (name,):
            if candidate in self._images:
                return self._images[candidate]
        raise ImageError(
            f'Container image "{name}" is not on this machine and this node pulls none. It has: '
            f"{', '.join(sorted(self._images)) or 'none'}. Use one of them, or add an entry to {self._path}"
        )

    def _refresh(self) -> None:
        try:
            stat = self._path.stat()
            stamp = (stat.st_mtime_ns, stat.st_ino)
            if stamp == self._read_at:
                return
            self._images = {image.name: image for image in parse(self._path.read_text())}
            self._read_at = stamp
        except (OSError, ValueError) as exc:
            raise CatalogueError(f"images file {self._path}: {exc}") from exc


def parse(text: str) -> list[Image]:
    """The images of a catalogue text. Raises ValueError that names the entry and what is wrong."""
    document = yaml.load(text)
    if not isinstance(document, dict) or not isinstance(document.get("images"), list):
        raise ValueError("expected a mapping with a list `images`")  # noqa: TRY004  # one error for bad files
    return [_image(entry, index) for index, entry in enumerate(document["images"])]


def _image(entry: Any, index: int) -> Image:
    where = f"images[{index}]"
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise ValueError(f"{where}: expected a mapping with a `name`")  # noqa: TRY004  # as above
    if unknown := set(entry) - _KNOWN:
        raise ValueError(
            f"{where} ({entry['name']}): unknown fields {sorted(unknown)}; known: {sorted(_KNOWN)}"
        )
    lists = {field: entry.get(field) or [] for field in ("entrypoint", "binds", "path")}
    for field, value in lists.items():
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise ValueError(f"{where} ({entry['name']}): `{field}` is not a list of strings")
    for path in (*lists["binds"], *lists["path"]):
        if not path.startswith("/"):
            raise ValueError(f"{where} ({entry['name']}): {path!r} is not an absolute path")
    env = entry.get("env") or {}
    if not isinstance(env, dict) or not all(isinstance(v, str) for v in env.values()):
        raise ValueError(f"{where} ({entry['name']}): `env` is not a mapping of strings")
    digest = hashlib.sha256(json.dumps(entry, sort_keys=True).encode()).hexdigest()
    return Image(
        entry["name"], tuple(lists["entrypoint"]), tuple(lists["binds"]), tuple(lists["path"]), env, digest
    )
