"""What a pod uses of the disk, and the words when that is too much."""

import os
from pathlib import Path
from typing import Any

import pytest

from sympozium.node import storage
from sympozium.node.storage import Usage


def pod(limit: str = "", **container: Any) -> dict[str, Any]:
    empty = {"sizeLimit": limit} if limit else {}
    return {
        "spec": {"containers": [{"name": "c", **container}], "volumes": [{"name": "v", "emptyDir": empty}]}
    }


def amounts(limit: str) -> dict[str, Any]:
    return {"resources": {"limits": {"ephemeral-storage": limit}, "requests": {"ephemeral-storage": "1Ki"}}}


@pytest.mark.parametrize(("asked", "volume", "log", "words"), [
    (pod("10Ki"), 20_000, 0, 'Usage of EmptyDir volume "v" exceeds the limit "10Ki". '),
    (pod("10Ki"), 10_000, 9_000_000, None),
    (pod(**amounts("10Ki")), 9_000, 2_000, "Pod ephemeral local storage usage exceeds the total limit of containers 10Ki. "),
    (pod(**amounts("10Ki")), 9_000, 1_000, None),
    (pod(), 1 << 40, 1 << 40, None),
])  # fmt: skip
def test_excess(asked: dict[str, Any], volume: int, log: int, words: str | None) -> None:
    assert storage.excess(asked, Usage({"v": volume}, {"c": log})) == words


def test_a_container_has_its_log() -> None:
    asked = pod(**amounts("10Ki"))
    asked["spec"]["containers"].append({"name": "free"})
    words = storage.excess(asked, Usage({}, {"c": 11_000}))
    assert words == 'Container c exceeded its local ephemeral storage limit "10Ki". '
    assert storage.requested(asked) == 1024


def test_limited() -> None:
    assert storage.limited(pod("1Mi"))
    assert storage.limited(pod(**amounts("1Mi")))
    assert not storage.limited(pod())


def test_size(tmp_path: Path) -> None:
    before = storage.size(tmp_path)
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "f").write_bytes(b"x" * 100_000)
    os.link(tmp_path / "d" / "f", tmp_path / "again")
    (tmp_path / "out").symlink_to("/usr")
    assert 100_000 <= storage.size(tmp_path) - before < 150_000
