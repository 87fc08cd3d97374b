"""The keys of an installation's bus, and the users that they sign.

The operator's and the account's seeds are the authority over all runs' messages: they are in the Secret
`sympozium-bus-operator`, which the controllers alone may read.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from sympozium.bus import jwt, messages, nkey
from sympozium.bus.credentials import User
from sympozium.bus.subjects import AGENT, AUDIT_STREAM, LIVE_ROOT, REQUESTS, ROOT, STREAM, TOOLS, RunRef

READER_INBOX = "_INBOX.reader"


@dataclass(frozen=True, slots=True)
class Keyring:
    """Seeds (nkeys) of operator, system account and account, and the controller's signing key (base64)."""

    operator: str
    system: str
    account: str
    signing: str

    @classmethod
    def generate(cls) -> "Keyring":
        return cls(
            operator=nkey.new_seed("operator"),
            system=nkey.new_seed("account"),
            account=nkey.new_seed("account"),
            signing=messages.private_text(messages.new_key()),
        )

    def secret(self) -> dict[str, str]:
        """`stringData` of the Secret."""
        return {f"{f.name}.seed": getattr(self, f.name) for f in fields(self)}

    @classmethod
    def from_secret(cls, data: Mapping[str, str]) -> "Keyring":
        """From the decoded data of the Secret. Raises KeyError that names what is missing."""
        return cls(**{f.name: data[f"{f.name}.seed"] for f in fields(cls)})

    @property
    def controller_key(self) -> Ed25519PrivateKey:
        return messages.private_key(self.signing)

    @property
    def controller_public(self) -> str:
        return messages.public_text(self.controller_key.public_key())

    @property
    def route_password(self) -> str:
        """By which the servers of a cluster know each other. Derived, as the key of records is."""
        seed = self.controller_key.private_bytes_raw()
        return HKDF(SHA256(), length=24, salt=None, info=b"sympozium routes v1").derive(seed).hex()

    @property
    def record_key(self) -> Ed25519PrivateKey:
        """Signs the records of runs. Derived, so that it is where the other keys are and nowhere else."""
        seed = self.controller_key.private_bytes_raw()
        return Ed25519PrivateKey.from_private_bytes(
            HKDF(SHA256(), length=32, salt=None, info=b"sympozium record v1").derive(seed)
        )

    @property
    def record_public(self) -> str:
        return messages.public_text(self.record_key.public_key())

    def controller_user(self) -> User:
        seed = nkey.new_seed("user")
        return User(jwt.unrestricted_user(seed, "controller", issuer_seed=self.account), seed)

    def system_user(self) -> User:
        """Pushes new versions of the account's JWT to the server."""
        seed = nkey.new_seed("user")
        publish, subscribe = ["$SYS.REQ.CLAIMS.UPDATE", "$SYS.REQ.ACCOUNT.*.CLAIMS.LOOKUP"], ["_INBOX.>"]
        return User(
            jwt.user(seed, "resolver", issuer_seed=self.system, publish=publish, subscribe=subscribe), seed
        )

    def reader_user(self) -> User:
        """May read the history, the record and the deltas of every run, and change nothing."""
        seed = nkey.new_seed("user")
        api = "$JS.API"
        publish = [
            f"{api}.INFO",
            f"{api}.STREAM.INFO.{STREAM}",
            f"{api}.STREAM.MSG.GET.{STREAM}",
            f"{api}.STREAM.INFO.{AUDIT_STREAM}",
            f"{api}.STREAM.MSG.GET.{AUDIT_STREAM}",
        ]
        subscribe = [f"{READER_INBOX}.>", f"{LIVE_ROOT}.>", f"{ROOT}.>"]
        return User(
            jwt.user(seed, "reader", issuer_seed=self.account, publish=publish, subscribe=subscribe), seed
        )

    def run_user(self, run: RunRef, source: str, issuer: str) -> User:
        """The user of one container: its own subjects, its own consumer, its own inbox, nothing else.

        `issuer`: seed of a signing key of the account; the user is somebody as long as the account lists it.
        """
        seed = nkey.new_seed("user")
        publish = [run.events(source), run.live(source)]
        if source == TOOLS:
            consumer = run.consumer(source)
            publish += [
                *(run.request(kind) for kind in REQUESTS),
                f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.{consumer}",
                f"$JS.ACK.{STREAM}.{consumer}.>",
            ]
        name = f"{run.namespace}/{run.name}/{source}"
        return User(
            jwt.user(
                seed,
                name,
                issuer_seed=issuer,
                account=nkey.public(self.account),
                publish=publish,
                subscribe=[f"{run.inbox(source)}.>"],
            ),
            seed,
        )


SOURCES = (AGENT, TOOLS)
