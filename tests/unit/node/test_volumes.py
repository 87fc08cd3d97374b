"""Volumes and their atomic directories, on the real file system, with a made-up API server."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sympozium.node import atomicdir, volumes
from sympozium.node.atomicdir import File
from sympozium.node.env import ConfigError, NodeFacts, Ref
from sympozium.node.objects import Object
from sympozium.node.volumes import Access, VolumeError, Volumes

FACTS = NodeFacts("n1", "127.0.0.1", {})


class Api:
    """Objects by (kind, name), and tokens that count."""

    def __init__(self, **objects: Object) -> None:
        self.objects: dict[Ref, Object] = {}
        self.tokens = 0
        self.life = timedelta(hours=1)

    async def find(self, what: str, name: str) -> Object | None:
        return None

    async def fetch(self, ref: Ref) -> Object | None:
        return self.objects.get(ref)

    async def token(self, pod: Object, audience: str, seconds: int) -> tuple[str, datetime]:
        self.tokens += 1
        return f"token-{self.tokens}-{audience}", datetime.now(UTC) + self.life

    def config(self, name: str, **data: str) -> None:
        self.objects["ConfigMap", name] = {"metadata": {"name": name}, "data": data}


def make(tmp_path: Path, api: Api, *specs: Object) -> Volumes:
    pod = {
        "metadata": {"name": "p", "namespace": "n", "uid": "u", "labels": {"a": "1"}},
        "spec": {"volumes": list(specs)},
    }
    access = Access(api.fetch, api.token, api.find, lambda path, size: False)
    return Volumes(pod, tmp_path, access, FACTS, None, lambda reason, message: None)


def tree(path: Path) -> dict[str, str]:
    """Visible files and their contents."""
    return {
        str(p.relative_to(path)): p.read_text()
        for p in sorted(path.rglob("*")) if p.is_file() and not str(p.relative_to(path)).startswith("..")
    }  # fmt: skip


def test_atomic_directory(tmp_path: Path) -> None:
    assert atomicdir.write(tmp_path, {"a": File(b"1", 0o600), "b": File(b"2", 0o644)}, None)
    first = (tmp_path / "..data").readlink()
    assert not atomicdir.write(tmp_path, {"a": File(b"1", 0o600), "b": File(b"2", 0o644)}, None)
    assert (tmp_path / "..data").readlink() == first
    assert atomicdir.write(tmp_path, {"a": File(b"9", 0o600)}, None)
    assert tree(tmp_path) == {"a": "9"}
    assert not (tmp_path / first).exists()
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600


def test_a_reader_of_the_old_version_keeps_it(tmp_path: Path) -> None:
    atomicdir.write(tmp_path, {"a": File(b"1", 0o644)}, None)
    with (tmp_path / "a").open() as reader:
        atomicdir.write(tmp_path, {"a": File(b"2", 0o644)}, None)
        assert reader.read() == "1"


async def test_config_map_items_and_refresh(tmp_path: Path) -> None:
    api = Api()
    api.config("c", k="v", other="x")
    volume = {"name": "v", "configMap": {"name": "c", "items": [{"key": "k", "path": "d/f", "mode": 0o400}]}}
    made = make(tmp_path, api, volume)
    await made.mount()
    path = made.path(volume)
    assert (path / "d/f").read_text() == "v"
    assert (path / "d/f").stat().st_mode & 0o777 == 0o400
    api.config("c", k="w")
    await made.refresh()
    assert (path / "d/f").read_text() == "w"


@pytest.mark.parametrize("path", ["/abs", "a/../../b", "..data", ""])
async def test_paths_stay_inside(tmp_path: Path, path: str) -> None:
    api = Api()
    api.config("c", k="v")
    volume = {"name": "v", "configMap": {"name": "c", "items": [{"key": "k", "path": path}]}}
    with pytest.raises(VolumeError, match="leaves the volume"):
        await make(tmp_path, api, volume).mount()


async def test_missing_unless_optional(tmp_path: Path) -> None:
    with pytest.raises(VolumeError, match='"v": configmap "none" not found'):
        await make(tmp_path, Api(), {"name": "v", "configMap": {"name": "none"}}).mount()
    optional = {"name": "w", "secret": {"secretName": "none", "optional": True}}
    made = make(tmp_path, Api(), optional)
    await made.mount()
    assert tree(made.path(optional)) == {}


async def test_projected(tmp_path: Path) -> None:
    api = Api()
    api.config("ca", **{"ca.crt": "CERT"})
    sources = [
        {"serviceAccountToken": {"path": "token", "audience": "aud"}},
        {"configMap": {"name": "ca"}},
        {"downwardAPI": {"items": [{"path": "ns", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
    ]
    volume = {"name": "v", "projected": {"sources": sources}}
    made = make(tmp_path, api, volume)
    await made.mount()
    assert tree(made.path(volume)) == {"ca.crt": "CERT", "ns": "n", "token": "token-1-aud"}


async def test_tokens_are_renewed_at_80_percent(tmp_path: Path) -> None:
    api = Api()
    volume = {"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}
    made = make(tmp_path, api, volume)
    await made.mount()
    await made.refresh()
    assert api.tokens == 1
    renewal = made.next_renewal()
    assert renewal is not None
    assert timedelta(minutes=47) < renewal - datetime.now(UTC) < timedelta(minutes=49)
    made._tokens["", 3600].renew_at = datetime.now(UTC)
    await made.refresh()
    assert (made.path(volume) / "token").read_text() == "token-2-"


@pytest.mark.parametrize(("kind", "there", "fits"), [
    ("", "dir", True), ("", "nothing", False), ("Directory", "dir", True), ("Directory", "file", False),
    ("File", "file", True), ("File", "dir", False), ("DirectoryOrCreate", "nothing", True),
    ("FileOrCreate", "nothing", True), ("CharDevice", "file", False),
])  # fmt: skip
async def test_host_path_types(tmp_path: Path, kind: str, there: str, fits: bool) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "file").touch()
    made = make(tmp_path, Api(), {"name": "v", "hostPath": {"path": str(tmp_path / there), "type": kind}})
    if fits:
        await made.mount()
        return
    with pytest.raises(VolumeError):
        await made.mount()


def test_beneath_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("/etc")
    with volumes.beneath(tmp_path, "real/new", None) as descriptor:
        assert Path(f"/proc/self/fd/{descriptor}").readlink() == tmp_path / "real/new"
    for bad in ("link", "link/x", "../x", "real/../../x"):
        with pytest.raises(ConfigError), volumes.beneath(tmp_path, bad, None):
            pass
