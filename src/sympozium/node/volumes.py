"""The volumes of one pod: directories below the pod's own, filled from the API server and kept current.

Volumes that the node fills (configMap, secret, projected, downwardAPI) change as a whole (`atomicdir`) and
are always read-only to the pod. Tokens are renewed at 80 % of their life. Everything is owned by the pod's
own user of the host, so file modes like 0400 mean what they say.
"""

import asyncio
import contextlib
import logging
import os
import stat
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from sympozium import quantities
from sympozium.node import atomicdir, claims, env
from sympozium.node.atomicdir import File
from sympozium.node.claims import Claim
from sympozium.node.env import NodeFacts, Ref
from sympozium.node.objects import Object, parse_time

_log = logging.getLogger(__name__)

NODE_WRITTEN = ("configMap", "secret", "projected", "downwardAPI")
CLAIMED = ("persistentVolumeClaim", "ephemeral")
TOKEN_SHARE = 0.8


class VolumeError(Exception):
    """A volume cannot be made (yet): FailedMount, tried again."""


@dataclass(slots=True)
class Token:
    value: str
    renew_at: datetime


@dataclass(frozen=True, slots=True)
class Access:
    """How volumes reach the outside. `fetch` gives None for what does not exist; both may raise OSError."""

    fetch: Callable[[Ref], Awaitable[Object | None]]
    token: Callable[[Object, str, int], Awaitable[tuple[str, datetime]]]
    """(pod, audience, seconds) -> token and its expiry."""
    find: claims.Find
    memory: Callable[[Path, int | None], bool]
    """Mount a memory file system of a size; False where the node cannot."""


class Volumes:
    """The volumes of one pod. `mount` before anything of it starts, `refresh` now and then."""

    def __init__(
        self, pod: Object, directory: Path, access: Access, node: NodeFacts, owner: tuple[int, int] | None,
        warn: Callable[[str, str], None],
    ) -> None:  # fmt: skip
        self.pod = pod
        self._directory = directory
        self._access = access
        self._node = node
        self._owner = owner
        self._warn = warn
        self._tokens: dict[tuple[str, int], Token] = {}
        self._memory: set[str] = set()
        self.claims: dict[str, Claim] = {}
        """By the name of the volume, once it is mounted."""

    def _volumes(self) -> list[Object]:
        return self.pod["spec"].get("volumes") or []

    def path(self, volume: Object) -> Path:
        if host := volume.get("hostPath"):
            return Path(host["path"])
        if claim := self.claims.get(volume["name"]):
            return claim.path
        return self._directory / kind(volume) / str(volume["name"])

    async def mount(self) -> None:
        """Make every volume. Raises VolumeError with the first thing that is missing."""
        for volume in self._volumes():
            try:
                await self._mount(volume)
            except (env.ConfigError, OSError) as exc:
                raise VolumeError(f'MountVolume.SetUp failed for volume "{volume["name"]}": {exc}') from exc

    async def refresh(self) -> None:
        """Bring volumes that the node fills up to date. Raises VolumeError; the old content then stays."""
        for volume in self._volumes():
            if kind(volume) in NODE_WRITTEN:
                try:
                    await self._fill(volume)
                except (env.ConfigError, OSError) as exc:
                    raise VolumeError(f'refresh of volume "{volume["name"]}": {exc}') from exc

    def on_disk(self) -> dict[str, Path]:
        """The emptyDir volumes that take up disk."""
        names = {v["name"]: v for v in self._volumes() if kind(v) == "emptyDir"}
        return {name: self.path(v) for name, v in names.items() if name not in self._memory}

    def next_renewal(self) -> datetime | None:
        return min((token.renew_at for token in self._tokens.values()), default=None)

    def _prepare(self, path: Path, mode: int) -> None:
        if not path.is_dir():
            path.mkdir(parents=True)
            path.chmod(mode)
            if self._owner:
                os.chown(path, *self._owner)

    async def _mount(self, volume: Object) -> None:
        path = self.path(volume)
        which = kind(volume)
        if which == "emptyDir":
            empty = volume["emptyDir"] or {}
            self._prepare(path, 0o777)
            if empty.get("medium") == "Memory" and volume["name"] not in self._memory:
                limit = int(quantities.parse(empty["sizeLimit"])) if empty.get("sizeLimit") else None
                if self._access.memory(path, limit):
                    self._memory.add(volume["name"])
                    path.chmod(0o777)
                    if self._owner:
                        os.chown(path, *self._owner)
                else:
                    self._warn("MemoryVolumeOnDisk", f"volume {volume['name']}: this node cannot mount memory file "
                               "systems (it does not run as root); the volume is on disk")  # fmt: skip
        elif which == "hostPath":
            _host_path(volume["hostPath"])
        elif which in CLAIMED:
            claim = await claims.resolve(volume, self.pod, self._access.find)
            if claim.given and self._owner and not claim.read_only:
                await asyncio.to_thread(claims.give, claim.path, self._owner)
            self.claims[volume["name"]] = claim
        else:
            self._prepare(path, 0o755)
            await self._fill(volume)

    async def _fill(self, volume: Object) -> None:
        which = kind(volume)
        source = volume[which]
        default = source.get("defaultMode", 0o644)
        if which == "projected":
            files: dict[str, File] = {}
            for part in source.get("sources") or ():
                (name, content), *_ = part.items()
                files |= await self._source(name, content, default)
        else:
            files = await self._source(which, source, default)
        atomicdir.write(self.path(volume), files, self._owner)

    async def _source(self, which: str, source: Object, mode: int) -> dict[str, File]:
        if which in {"configMap", "secret"}:
            ref = (
                "ConfigMap" if which == "configMap" else "Secret",
                source.get("name") or source.get("secretName", ""),
            )
            obj = await self._access.fetch(ref)
            if obj is None and not source.get("optional"):
                raise env.ConfigError(f'{ref[0].lower()} "{ref[1]}" not found')
            return _select(env.data_of(ref[0], obj) if obj else {}, source, mode, ref)
        if which == "downwardAPI":
            return {
                _inside(item["path"]): File(self._downward(item).encode(), item.get("mode", mode))
                for item in source.get("items") or ()
            }
        if which == "serviceAccountToken":
            return {_inside(source["path"]): File((await self._token(source)).encode(), mode)}
        raise env.ConfigError(f"projected source {which} is not known to this node")

    def _downward(self, item: Object) -> str:
        if field := item.get("fieldRef"):
            return env.field_value(field["fieldPath"], self.pod, self._node)
        return env.resource_value(item["resourceFieldRef"], {}, self.pod, self._node)

    async def _token(self, source: Object) -> str:
        key = (source.get("audience") or "", source.get("expirationSeconds") or 3600)
        token = self._tokens.get(key)
        if token is None or token.renew_at <= datetime.now(UTC):
            asked = datetime.now(UTC)
            value, expiry = await self._access.token(self.pod, *key)
            token = self._tokens[key] = Token(value, asked + (expiry - asked) * TOKEN_SHARE)
        return token.value


def kind(volume: Object) -> str:
    """The source of a volume, `emptyDir` when it has none."""
    return next((field for field in volume if field != "name"), "emptyDir")


def _inside(path: str) -> str:
    """A path of a projected file. Raises ConfigError for one that would leave the volume."""
    parts = PurePosixPath(path)
    if parts.is_absolute() or ".." in parts.parts or not parts.parts or parts.parts[0].startswith(".."):
        raise env.ConfigError(f"path {path!r} leaves the volume")
    return str(parts)


def _select(data: Mapping[str, bytes], source: Object, mode: int, ref: Ref) -> dict[str, File]:
    """All keys, or those of `items` at their paths."""
    if "items" not in source or not source["items"]:
        return {key: File(value, mode) for key, value in data.items()}
    files = {}
    for item in source["items"]:
        if item["key"] in data:
            files[_inside(item["path"])] = File(data[item["key"]], item.get("mode", mode))
        elif not source.get("optional"):
            raise env.ConfigError(f"{ref[0].lower()} {ref[1]}: references non-existent key: {item['key']}")
    return files


def _host_path(source: Object) -> None:
    """Check, or make, what `type` promises. Raises ConfigError."""
    path, wanted = Path(source["path"]), source.get("type") or ""
    if wanted == "DirectoryOrCreate":
        path.mkdir(mode=0o755, parents=True, exist_ok=True)
    elif wanted == "FileOrCreate":
        path.touch(mode=0o644)
    checks = {"Directory": path.is_dir, "File": path.is_file, "Socket": path.is_socket}
    checks |= {"DirectoryOrCreate": path.is_dir, "FileOrCreate": path.is_file, "": path.exists}
    if wanted not in checks:
        raise env.ConfigError(f"hostPath type {wanted} is not possible here: a sandbox gets no devices")
    if not checks[wanted]():
        raise env.ConfigError(f"hostPath {path} is not a {wanted or 'path that exists'}")


@contextlib.contextmanager
def beneath(volume: Path, sub_path: str, owner: tuple[int, int] | None) -> Iterator[int]:
    """An O_PATH descriptor of `sub_path` in a volume that a pod may write, made if it is not there.

    Walks without following a link: the pod may have put one there that leads out of the volume.
    Raises ConfigError.
    """
    opened = [os.open(volume, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)]
    try:
        for part in PurePosixPath(sub_path).parts:
            if part in {"..", "/"}:
                raise env.ConfigError(f"subPath {sub_path!r} leaves the volume")
            try:
                os.mkdir(part, 0o755, dir_fd=opened[-1])
                if owner:
                    os.chown(part, *owner, dir_fd=opened[-1], follow_symlinks=False)
            except FileExistsError:
                pass
            opened.append(os.open(part, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=opened[-1]))
            if stat.S_ISLNK(os.fstat(opened[-1]).st_mode):
                raise env.ConfigError(
                    f"subPath {sub_path!r}: {part!r} is a symbolic link, which may lead anywhere"
                )
        yield opened[-1]
    except NotADirectoryError as exc:
        raise env.ConfigError(f"subPath {sub_path!r}: {exc}") from exc
    finally:
        for descriptor in opened:
            os.close(descriptor)


def token_expiry(answer: Object) -> datetime:
    return parse_time(answer["status"]["expirationTimestamp"])
