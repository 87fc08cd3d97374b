"""The files by which a container of a run, or a component, speaks on the bus.

    url          nats://host:port
    user.creds   the user's JWT and seed, in the format of NATS
    signing.key  (runs) 32 bytes, base64: signs what the container says
    control.pub  32 bytes, base64: verifies what the control plane says
    run.json     (runs) namespace, name, uid, container

In a pod they are a mounted Secret; a component reads them from the Secret itself.
"""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sympozium.bus.keys import SEED_SIZE, NKey, Signer
from sympozium.bus.subjects import Container, RunRef

FILES = ("url", "user.creds", "signing.key", "control.pub", "run.json")
_CREDS = re.compile(
    r"-+BEGIN NATS USER JWT-+\s+(\S+)\s+-+END NATS USER JWT-+.*"
    r"-+BEGIN USER NKEY SEED-+\s+(\S+)\s+-+END USER NKEY SEED-+",
    re.DOTALL,
)


class CredentialsError(ValueError):
    """A file is missing or is not what it should be; the message names it."""


@dataclass(frozen=True, slots=True)
class User:
    """A user of NATS: its JWT and its key."""

    jwt: str
    seed: str

    @property
    def inbox(self) -> str:
        """The prefix of answers to this user. No one else can name it, so no one can write or listen there."""
        return inbox(self.seed)

    def creds(self) -> str:
        """The content of `user.creds`."""
        return (
            f"-----BEGIN NATS USER JWT-----\n{self.jwt}\n------END NATS USER JWT------\n\n"
            f"-----BEGIN USER NKEY SEED-----\n{self.seed}\n------END USER NKEY SEED------\n"
        )

    @classmethod
    def parse(cls, creds: str) -> "User":
        """Raises CredentialsError."""
        found = _CREDS.search(creds)
        if found is None:
            raise CredentialsError("user.creds: expected a user JWT and a seed, each between BEGIN and END lines")
        try:
            NKey.parse(found[2])
        except ValueError as exc:
            raise CredentialsError(f"user.creds: {exc}") from None
        return cls(jwt=found[1], seed=found[2])


def inbox(seed: str) -> str:
    return "_INBOX." + hashlib.sha256(b"inbox" + seed.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class ComponentCredentials:
    """Of the controllers or a reader."""

    url: str
    user: User
    control_public: bytes

    def files(self) -> dict[str, bytes]:
        return {
            "url": self.url.encode(),
            "user.creds": self.user.creds().encode(),
            "control.pub": base64.b64encode(self.control_public),
        }

    @classmethod
    def parse(cls, files: Mapping[str, bytes], *, url: str | None = None) -> "ComponentCredentials":
        """`url` wins over the file of that name. Raises CredentialsError."""
        return cls(
            url=url or _text(files, "url"),
            user=User.parse(_text(files, "user.creds")),
            control_public=_key(files, "control.pub"),
        )


@dataclass(frozen=True, slots=True)
class BusCredentials:
    """Of one container of a run."""

    url: str
    user: User
    signing_key: bytes
    control_public: bytes
    run: RunRef
    container: Container

    @property
    def signer(self) -> Signer:
        return Signer(self.signing_key)

    def files(self) -> dict[str, bytes]:
        """Content by file name, for a Secret or a directory."""
        run = {
            "namespace": self.run.namespace,
            "name": self.run.name,
            "uid": self.run.uid,
            "container": self.container,
        }
        return {
            "url": self.url.encode(),
            "user.creds": self.user.creds().encode(),
            "signing.key": base64.b64encode(self.signing_key),
            "control.pub": base64.b64encode(self.control_public),
            "run.json": json.dumps(run).encode(),
        }

    @classmethod
    def parse(cls, files: Mapping[str, bytes]) -> "BusCredentials":
        """Raises CredentialsError."""
        run = _run(files)
        return cls(
            url=_text(files, "url"),
            user=User.parse(_text(files, "user.creds")),
            signing_key=_key(files, "signing.key"),
            control_public=_key(files, "control.pub"),
            run=RunRef(str(run["namespace"]), str(run["name"]), str(run["uid"])),
            container=run["container"],
        )

    @classmethod
    def load(cls, directory: Path) -> "BusCredentials":
        """From a mounted Secret. Raises CredentialsError."""
        files = {}
        for name in FILES:
            try:
                files[name] = (directory / name).read_bytes()
            except OSError as exc:
                raise CredentialsError(f"{directory / name}: {exc.strerror}") from None
        return cls.parse(files)


def _text(files: Mapping[str, bytes], name: str) -> str:
    try:
        text = files[name].decode().strip()
    except KeyError:
        raise CredentialsError(f"{name} is missing") from None
    except UnicodeDecodeError:
        raise CredentialsError(f"{name} is not text") from None
    if not text:
        raise CredentialsError(f"{name} is empty")
    return text


def _key(files: Mapping[str, bytes], name: str) -> bytes:
    try:
        key = base64.b64decode(_text(files, name), validate=True)
    except ValueError as exc:
        raise exc if isinstance(exc, CredentialsError) else CredentialsError(f"{name} is not base64") from None
    if len(key) != SEED_SIZE:
        raise CredentialsError(f"{name} has {len(key)} bytes instead of {SEED_SIZE}")
    return key


def _run(files: Mapping[str, bytes]) -> dict[str, Any]:
    try:
        run = json.loads(_text(files, "run.json"))
    except json.JSONDecodeError as exc:
        raise CredentialsError(f"run.json is not JSON: {exc}") from None
    missing = {"namespace", "name", "uid", "container"} - set(run if isinstance(run, dict) else ())
    if missing:
        raise CredentialsError(f"run.json lacks {', '.join(sorted(missing))}")
    if run["container"] not in ("agent", "tools"):
        raise CredentialsError(f"run.json: container {run['container']!r} is neither agent nor tools")
    checked: dict[str, Any] = run
    return checked
