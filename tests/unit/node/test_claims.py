"""Which directory stands behind a claim, and what a pod is told when none does yet."""

import os
from pathlib import Path
from typing import Any

import pytest

from sympozium.node import claims
from sympozium.node.env import ConfigError

POD: dict[str, Any] = {"metadata": {"namespace": "n", "name": "p", "uid": "u"}}
NAMED: dict[str, Any] = {"name": "v", "persistentVolumeClaim": {"claimName": "c"}}
TEMPLATE: dict[str, Any] = {"name": "v", "ephemeral": {"volumeClaimTemplate": {}}}


def claim(**more: Any) -> dict[str, Any]:
    spec = {"volumeName": "pv", **more.pop("spec", {})}
    return {"metadata": {"name": "c", **more}, "spec": spec, "status": {"phase": "Bound"}}


def volume(path: Path, **annotations: str) -> dict[str, Any]:
    spec = {"hostPath": {"path": str(path), "type": "DirectoryOrCreate"}, "capacity": {"storage": "1Gi"}}
    return {"metadata": {"name": "pv", "annotations": annotations}, "spec": spec}


async def resolve(which: dict[str, Any], **objects: Any) -> claims.Claim:
    async def find(what: str, name: str) -> Any:
        return objects.get(what)

    return await claims.resolve(which, POD, find)


async def test_bound(tmp_path: Path) -> None:
    path = tmp_path / "made"
    found = await resolve(NAMED, claim=claim(), volume=volume(path, **{claims.PROVISIONED: claims.OURS}))
    assert found == claims.Claim(path, read_only=False, given=True)
    assert path.is_dir()


async def test_what_a_person_named_keeps_its_owners(tmp_path: Path) -> None:
    assert not (await resolve(NAMED, claim=claim(), volume=volume(tmp_path))).given


async def test_read_only(tmp_path: Path) -> None:
    many = claim(spec={"accessModes": ["ReadOnlyMany"]})
    assert (await resolve(NAMED, claim=many, volume=volume(tmp_path))).read_only
    asked = {"name": "v", "persistentVolumeClaim": {"claimName": "c", "readOnly": True}}
    assert (await resolve(asked, claim=claim(), volume=volume(tmp_path))).read_only


@pytest.mark.parametrize(("which", "objects", "words"), [
    (NAMED, {}, 'persistentvolumeclaim "c" not found'),
    (NAMED, {"claim": claim(deletionTimestamp="now")}, "being deleted"),
    (NAMED, {"claim": {**claim(), "status": {"phase": "Pending"}}}, "PVC n/c is not bound"),
    (NAMED, {"claim": claim(spec={"volumeMode": "Block"})}, "Block"),
    (NAMED, {"claim": claim()}, 'persistentvolume "pv" not found'),
    (NAMED, {"claim": claim(), "volume": {"metadata": {"name": "pv"}, "spec": {"nfs": {}, "capacity": {}}}}, "nfs"),
    (NAMED, {"claim": claim(), "volume": {"metadata": {"name": "pv"}, "spec": {"local": {"path": "/no/such"}}}}, "/no/such"),
    (TEMPLATE, {"claim": claim()}, "was not created for pod n/p"),
])  # fmt: skip
async def test_not_yet(which: dict[str, Any], objects: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        await resolve(which, **objects)


def test_the_claim_of_a_template_is_named_after_pod_and_volume() -> None:
    assert claims.name_of(TEMPLATE, POD) == "p-v"
    assert claims.name_of({"name": "v", "emptyDir": {}}, POD) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_give_follows_no_link(tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.write_text("x")
    inside.mkdir()
    (inside / "link").symlink_to(outside)
    (inside / "file").write_text("y")
    claims.give(inside, (4242, 4243))
    assert outside.stat().st_uid == os.getuid()
    assert (inside / "file").stat().st_uid == (inside / "link").lstat().st_uid == inside.stat().st_uid == 4242
