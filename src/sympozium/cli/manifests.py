"""Manifests that people write: a file, a directory, or standard input."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sympozium import yamlio
from sympozium.actions.policies import TESTS
from sympozium.cli.failures import CommandError


@dataclass(frozen=True, slots=True)
class Manifest:
    """One object, and where it was read."""

    source: str
    obj: dict[str, Any]


def read(paths: list[str]) -> list[Manifest]:
    """All objects of the paths, in order. Raises CommandError that names the file, and the line where there is one."""
    found: list[Manifest] = []
    for path in paths:
        for source, text in _texts(path):
            try:
                documents = yamlio.load_all(text, source)
            except yamlio.YamlError as exc:
                raise CommandError(str(exc)) from exc
            for number, document in enumerate(documents, 1):
                found += _objects(
                    document, source if len(documents) == 1 else f"{source} (document {number})"
                )
    if not found:
        raise CommandError(f"no objects in {', '.join(paths)}")
    return found


def _texts(path: str) -> list[tuple[str, str]]:
    if path == "-":
        return [("standard input", sys.stdin.read())]
    place = Path(path)
    if place.is_dir():
        files = sorted(f for f in place.iterdir() if f.suffix in (".yaml", ".yml", ".json"))
        tests = [f.name for f in files if f.name.endswith(TESTS)]
        files = [f for f in files if f.name not in tests]
        if tests:
            print(f"not applied, tests of policies: {', '.join(tests)}", file=sys.stderr)
    elif place.exists():
        files = [place]
    else:
        raise CommandError(f"{path}: no such file or directory")
    try:
        return [(str(file), file.read_text()) for file in files]
    except (OSError, UnicodeDecodeError) as exc:
        raise CommandError(f"{path}: cannot be read: {exc}") from exc


def _objects(document: Any, source: str) -> list[Manifest]:
    if not isinstance(document, dict):
        raise CommandError(f"{source}: an object is expected, this is a {type(document).__name__}")
    if document.get("kind") == "List" and isinstance(document.get("items"), list):
        return [m for item in document["items"] for m in _objects(item, source)]
    for key in ("apiVersion", "kind"):
        if not isinstance(document.get(key), str):
            raise CommandError(f"{source}: {key} is missing")
    metadata = document.get("metadata")
    if not isinstance(metadata, dict) or not (metadata.get("name") or metadata.get("generateName")):
        raise CommandError(f"{source}: {document['kind']}: metadata.name is missing")
    return [Manifest(source, document)]
