"""The root of all credentials: the seeds of operator and accounts, and the master key of the runs.

They live in the Secret `sympozium-bus-operator`, which the installation makes once and the controllers alone may
read. Everything else is derived or issued from them.
"""

import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from sympozium.bus import jwt, subjects
from sympozium.bus.credentials import BusCredentials, ComponentCredentials, CredentialsError, User, inbox
from sympozium.bus.keys import NKey, Role, Signer, derive
from sympozium.bus.subjects import PREFIX, STREAM, Container, Place, RunRef

ACCOUNT_NAME = "SYMPOZIUM"
_SEEDS = {"operator.seed": Role.OPERATOR, "system.seed": Role.ACCOUNT, "account.seed": Role.ACCOUNT}


@dataclass(frozen=True, slots=True)
class OperatorKeys:
    """All of it is secret."""

    operator: NKey
    system: NKey
    account: NKey
    master: bytes

    @classmethod
    def generate(cls) -> "OperatorKeys":
        return cls(
            operator=NKey.generate(Role.OPERATOR),
            system=NKey.generate(Role.ACCOUNT),
            account=NKey.generate(Role.ACCOUNT),
            master=os.urandom(32),
        )

    def files(self) -> dict[str, bytes]:
        """For the Secret `sympozium-bus-operator`."""
        seeds = (self.operator.seed, self.system.seed, self.account.seed)
        files = {name: seed.encode() for name, seed in zip(_SEEDS, seeds, strict=True)}
        return files | {"master.key": base64.b64encode(self.master)}

    @classmethod
    def parse(cls, files: Mapping[str, bytes]) -> "OperatorKeys":
        """Raises CredentialsError."""
        keys = []
        for name, role in _SEEDS.items():
            try:
                key = NKey.parse(files[name].decode().strip())
            except (KeyError, ValueError) as exc:
                raise CredentialsError(f"{name}: {exc}") from None
            if key.role is not role:
                raise CredentialsError(f"{name}: a key of {key.role.name}, not of {role.name}")
            keys.append(key)
        try:
            master = base64.b64decode(files["master.key"], validate=True)
        except (KeyError, ValueError) as exc:
            raise CredentialsError(f"master.key: {exc}") from None
        return cls(*keys, master=master)

    # -- what NATS is told

    def operator_jwt(self) -> str:
        return jwt.operator(self.operator, name="sympozium", system_account=self.system.public)

    def system_jwt(self) -> str:
        return jwt.account(self.operator, jwt.Account("SYS", self.system.public))

    def account_jwt(self, signing_keys: frozenset[str] = frozenset()) -> str:
        """`signing_keys` are those of the runs whose users may connect."""
        return jwt.account(
            self.operator,
            jwt.Account(ACCOUNT_NAME, self.account.public, jetstream=True, signing_keys=signing_keys),
        )

    # -- components

    @property
    def control(self) -> Signer:
        """Signs what the control plane tells runs."""
        return Signer(derive(self.master, "control"))

    def controller(self, url: str) -> ComponentCredentials:
        """May do everything with the stream."""
        user = self._component("controller", ("$JS.API.>", "$JS.ACK.>", f"{PREFIX}.>"), (f"{PREFIX}.>",))
        return ComponentCredentials(url, user, self.control.public)

    def reader(self, url: str) -> ComponentCredentials:
        """May read what all runs say; may write nothing."""
        user = self._component("reader", (f"$JS.API.DIRECT.GET.{STREAM}",), (f"{PREFIX}.>",))
        return ComponentCredentials(url, user, self.control.public)

    def system_user(self) -> User:
        """Of the system account; tells the server about changed accounts."""
        key = NKey(Role.USER, derive(self.master, "user", "system"))
        permissions = jwt.Permissions(
            ("$SYS.REQ.CLAIMS.UPDATE", f"$SYS.REQ.ACCOUNT.{self.account.public}.CLAIMS.LOOKUP"),
            (f"{inbox(key.seed)}.>",),
        )
        token = jwt.user(
            self.system, key.public, name="claims", account=self.system.public, permissions=permissions
        )
        return User(token, key.seed)

    def _component(self, name: str, publish: tuple[str, ...], subscribe: tuple[str, ...]) -> User:
        key = NKey(Role.USER, derive(self.master, "user", name))
        permissions = jwt.Permissions(publish, (*subscribe, f"{inbox(key.seed)}.>"))
        token = jwt.user(
            self.account, key.public, name=name, account=self.account.public, permissions=permissions
        )
        return User(token, key.seed)

    # -- runs

    def run_issuer(self, ref: RunRef) -> NKey:
        """The signing key of the account that issues the users of one run. Without it they are nobody."""
        return NKey(Role.ACCOUNT, self._derive("issuer", ref, ""))

    def run_signer(self, ref: RunRef, container: Container) -> Signer:
        return Signer(self._derive("envelope", ref, container))

    def run_credentials(self, ref: RunRef, container: Container, url: str) -> BusCredentials:
        """What one container of a run gets; the same each time."""
        key = NKey(Role.USER, self._derive("user", ref, container))
        permissions = jwt.Permissions(_may_publish(ref, container), (f"{inbox(key.seed)}.>",))
        token = jwt.user(
            self.run_issuer(ref), key.public,
            name=f"{ref.namespace}/{ref.name}/{container}",
            account=self.account.public, permissions=permissions,
        )  # fmt: skip
        return BusCredentials(
            url=url,
            user=User(token, key.seed),
            signing_key=self._derive("envelope", ref, container),
            control_public=self.control.public,
            run=ref,
            container=container,
        )

    def _derive(self, purpose: str, ref: RunRef, container: str) -> bytes:
        return derive(self.master, "run", purpose, ref.namespace, ref.name, ref.uid, container)


def _may_publish(ref: RunRef, container: Container) -> tuple[str, ...]:
    own = subjects.events(ref, container)
    if container == "agent":
        return (own, subjects.deltas(ref))
    consumer = subjects.control_consumer(ref)
    asking = subjects.requests(ref, "*")
    return (own, asking, subjects.next_message(consumer), *subjects.acknowledgements(consumer))


class DerivedKeyring:
    """Of the control plane: knows the keys of all runs that were and will be."""

    def __init__(self, keys: OperatorKeys) -> None:
        self._keys = keys
        self._control = keys.control.public
        self._run_key = lru_cache(maxsize=1024)(self._derive)

    def public_key(self, place: Place, uid: str) -> bytes | None:
        if place.source == "control":
            return self._control
        return self._run_key(RunRef(place.namespace, place.run, uid), place.source)

    def _derive(self, ref: RunRef, container: Container) -> bytes:
        return self._keys.run_signer(ref, container).public
