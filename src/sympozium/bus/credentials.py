"""What a process needs to be somebody on the bus: address, NATS user, and for a run the signing keys."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from sympozium.bus import messages
from sympozium.bus.subjects import RunRef

_CREDS = """-----BEGIN NATS USER JWT-----
{jwt}
------END NATS USER JWT------

-----BEGIN USER NKEY SEED-----
{seed}
------END USER NKEY SEED------
"""


class CredentialsError(Exception):
    """Credentials that cannot be used; the text names the file."""


@dataclass(frozen=True, slots=True)
class User:
    """A NATS user: its JWT and its seed."""

    jwt: str
    seed: str

    @property
    def creds(self) -> str:
        """As nats tools read it (`user.creds`)."""
        return _CREDS.format(jwt=self.jwt, seed=self.seed)

    @classmethod
    def parse(cls, text: str) -> "User":
        """From the content of a `user.creds`. Raises CredentialsError."""
        blocks = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("-")]
        if len(blocks) != 2:
            raise CredentialsError("user.creds does not hold one JWT and one seed")
        return cls(*blocks)

    def sign(self, nonce: str) -> bytes:
        """nats-py's signature callback."""
        from sympozium.bus import nkey

        return base64.b64encode(nkey.sign(self.seed, nonce.encode()))


@dataclass(frozen=True, slots=True)
class Credentials:
    """One container of one run."""

    url: str
    run: RunRef
    source: str
    user: User
    signing: Ed25519PrivateKey
    controller: Ed25519PublicKey

    def files(self) -> Mapping[str, bytes]:
        """Content of the Secret that is mounted into the container."""
        run = {
            "namespace": self.run.namespace,
            "name": self.run.name,
            "uid": self.run.uid,
            "source": self.source,
        }
        texts = {
            "url": self.url,
            "user.creds": self.user.creds,
            "signing.key": messages.private_text(self.signing),
            "controller.pub": messages.public_text(self.controller),
            "run.json": json.dumps(run),
        }
        return {name: text.encode() for name, text in texts.items()}

    @classmethod
    def load(cls, directory: Path) -> "Credentials":
        """Raises CredentialsError that names what is missing or broken."""

        def read(name: str) -> str:
            try:
                return (directory / name).read_text()
            except OSError as exc:
                raise CredentialsError(
                    f"bus credentials: {directory / name} cannot be read: {exc.strerror}"
                ) from exc

        try:
            run = json.loads(read("run.json"))
            return cls(
                url=read("url").strip(),
                run=RunRef(run["namespace"], run["name"], run["uid"]),
                source=run["source"],
                user=User.parse(read("user.creds")),
                signing=messages.private_key(read("signing.key")),
                controller=messages.public_key(read("controller.pub")),
            )
        except (ValueError, KeyError) as exc:
            raise CredentialsError(f"bus credentials in {directory} are broken: {exc}") from exc
