"""The controllers' side: the stream, the users and keys of runs, and what all runs say.

One process at a time does this (the leader). Every method may be repeated: a second time changes nothing
that matters.
"""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

import nats.errors
import nats.js.errors
from nats.aio.client import Client as Nats
from nats.aio.msg import Msg
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    Header,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)

from sympozium.bus import jwt, messages
from sympozium.bus.connection import API_TIMEOUT, BusError, connect, words
from sympozium.bus.credentials import Credentials, User
from sympozium.bus.history import Raw, Stored, Verifier, stored
from sympozium.bus.keyring import SOURCES, USER_LIFETIME, Keyring
from sympozium.bus.messages import Message, seal
from sympozium.bus.subjects import ALL, CONTROLLER, ROOT, STREAM, TOOLS, RunRef

log = logging.getLogger(__name__)
_FAILURES = (nats.errors.Error, nats.js.errors.Error, TimeoutError, OSError)
_CONSUMER = "controllers"
_BATCH = 64
_ACK_WAIT = 60.0
_RETRY = 1.0
_KNOWN_RUNS = 2000

Handler = Callable[[RunRef, Stored], Awaitable[None]]


@dataclass(slots=True)
class Admin:
    """Use `await Admin.open(...)`, and `close()` at the end."""

    url: str
    keyring: Keyring
    _nats: Nats
    _system: Nats
    dropped: int = 0
    """Messages that did not verify, over the life of this process."""
    _verifiers: dict[tuple[str, str], Verifier] = field(default_factory=dict)
    _revoking: asyncio.Lock = field(default_factory=asyncio.Lock)

    @classmethod
    async def open(cls, url: str, keyring: Keyring, user: User | None = None) -> Self:
        """Connect, and make the stream where it is not there. Raises BusError."""
        connection = await connect(url, user or keyring.controller_user(), name="controllers")
        system = await connect(url, keyring.system_user(), name="controllers (accounts)")
        admin = cls(url, keyring, connection, system)
        try:
            await admin.ensure_stream()
        except BaseException:
            await admin.close()
            raise
        return admin

    async def close(self) -> None:
        for connection in (self._nats, self._system):
            with suppress(*_FAILURES):
                await connection.close()

    @property
    def connected(self) -> bool:
        return self._nats.is_connected

    async def ensure_stream(self, *, max_age: float = 0) -> None:
        """`max_age`: seconds after which messages go; 0 keeps them until the AgentRun is deleted."""
        config = StreamConfig(
            name=STREAM,
            subjects=[ALL],
            storage=StorageType.FILE,
            retention=RetentionPolicy.LIMITS,
            allow_direct=True,
            max_age=max_age,
            duplicate_window=120,
            description="Histories of runs (docs/contracts.md)",
        )
        try:
            await self._js.add_stream(config)
        except nats.js.errors.BadRequestError:
            try:
                await self._js.update_stream(config)
            except _FAILURES as exc:
                raise BusError(f"the stream {STREAM} is there and differs: {exc}") from exc
        except _FAILURES as exc:
            raise BusError(f"the stream {STREAM} cannot be made: {words(exc)}") from exc

    @property
    def _js(self) -> Any:
        return self._nats.jetstream(timeout=API_TIMEOUT)

    # -- users and keys

    async def issue(self, run: RunRef) -> dict[str, Credentials]:
        """Credentials of each container that speaks; those of an earlier attempt are cut off."""
        verifier = await self._learned(run)
        if verifier.users:
            await self._revoke(verifier.users)
        keys = {source: messages.new_key() for source in SOURCES}
        users = {source: self.keyring.run_user(run, source) for source in SOURCES}
        await self._tell(
            run,
            run.keys,
            messages.RUN_KEYS,
            {
                "keys": {source: messages.public_text(key.public_key()) for source, key in keys.items()},
                "users": {source: jwt.public(user.seed) for source, user in users.items()},
            },
        )
        await self._make_control_consumer(run)
        controller = self.keyring.controller_key.public_key()
        return {
            source: Credentials(self.url, run, source, users[source], keys[source], controller)
            for source in SOURCES
        }

    async def _make_control_consumer(self, run: RunRef) -> None:
        config = ConsumerConfig(
            durable_name=run.consumer(TOOLS),
            filter_subject=run.control,
            ack_policy=AckPolicy.EXPLICIT,
            deliver_policy=DeliverPolicy.ALL,
            ack_wait=_ACK_WAIT,
            max_ack_pending=1,
        )
        try:
            await self._js.add_consumer(STREAM, config)
        except _FAILURES as exc:
            raise BusError(f"the consumer of run {run.name} cannot be made: {words(exc)}") from exc

    async def revoke(self, run: RunRef) -> None:
        """Cut off the users of a run at once, and remove its consumer. Its history stays."""
        verifier = await self._learned(run)
        if verifier.users:
            await self._revoke(verifier.users)
        with suppress(nats.js.errors.NotFoundError):
            try:
                await self._js.delete_consumer(STREAM, run.consumer(TOOLS))
            except nats.js.errors.NotFoundError:
                raise
            except _FAILURES as exc:
                raise BusError(f"the consumer of run {run.name} cannot be removed: {words(exc)}") from exc

    async def _revoke(self, users: set[str]) -> None:
        """Push a new version of the account's JWT: the server ends the connections of revoked users itself."""
        now = int(time.time())
        account = jwt.public(self.keyring.account)
        async with self._revoking:
            current = await self._system_request(f"$SYS.REQ.ACCOUNT.{account}.CLAIMS.LOOKUP", b"")
            known = jwt.payload(current.decode())["nats"].get("revocations") or {}
            if all(user in known for user in users):
                return
            # JWTs of users that old have ended by themselves.
            kept = {user: at for user, at in known.items() if at > now - 2 * USER_LIFETIME}
            revoked = {**kept, **dict.fromkeys(users, now + 1)}
            token = jwt.account(self.keyring.account, operator_seed=self.keyring.operator, revoked=revoked)
            answer = json.loads(await self._system_request("$SYS.REQ.CLAIMS.UPDATE", token.encode()))
        if answer.get("error") or answer.get("data", {}).get("code") != 200:
            raise BusError(
                f"the server did not take the revocation: {answer.get('error') or answer.get('data')}"
            )

    async def _system_request(self, subject: str, data: bytes) -> bytes:
        try:
            return bytes((await self._system.request(subject, data, timeout=API_TIMEOUT)).data)
        except _FAILURES as exc:
            raise BusError(f"{subject}: {words(exc)}") from exc

    # -- telling a run

    async def tell(self, run: RunRef, kind: str, data: Mapping[str, Any], *, once: str) -> None:
        """A control message; `once` (such as the uid of a decision) makes a repeated call one message."""
        await self._tell(run, run.control, kind, data, once=once)

    async def _tell(
        self, run: RunRef, subject: str, kind: str, data: Mapping[str, Any], *, once: str = ""
    ) -> None:
        epoch = once or format(time.time_ns(), "x")
        message = Message(kind, run, CONTROLLER, epoch, 1, data)
        payload = seal(message, self.keyring.controller_key)
        headers = {Header.MSG_ID: f"{self._message_secret()}-{run.uid}-{kind}-{epoch}"}
        try:
            await self._js.publish(subject, payload, headers=headers)
        except _FAILURES as exc:
            raise BusError(f"{kind} for run {run.name} is not stored: {words(exc)}") from exc

    def _message_secret(self) -> str:
        return self.keyring.controller_key.sign(b"sympozium message id").hex()[:32]

    # -- hearing the runs

    async def consume(self, handler: Handler) -> None:
        """Hand each stored event and request to `handler` until cancelled: in order for a run, each at least once.

        A message is acknowledged when the handler returns; when it raises, that message and the later ones of
        the same run come again.
        """
        config = ConsumerConfig(
            durable_name=_CONSUMER,
            filter_subjects=[f"{ROOT}.*.*.events.>", f"{ROOT}.*.*.requests.>"],
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=_ACK_WAIT,
            max_ack_pending=1024,
        )
        subscription = None
        while True:
            try:
                if subscription is None:
                    await self._js.add_consumer(STREAM, config)
                    subscription = await self._js.pull_subscribe_bind(consumer=_CONSUMER, stream=STREAM)
                batch = await subscription.fetch(_BATCH, timeout=30)
            except TimeoutError:
                continue
            except _FAILURES as exc:
                log.warning("bus: events cannot be read: %s", words(exc))
                subscription = None
                await asyncio.sleep(_RETRY)
                continue
            await self._handle(batch, handler)

    async def _handle(self, batch: list[Msg], handler: Handler) -> None:
        by_run: dict[tuple[str, ...], list[Msg]] = {}
        for raw in batch:
            by_run.setdefault(tuple(raw.subject.split(".")[2:4]), []).append(raw)
        async with asyncio.TaskGroup() as group:
            for of_run in by_run.values():
                group.create_task(self._handle_run(of_run, handler))

    async def _handle_run(self, batch: list[Msg], handler: Handler) -> None:
        for number, raw in enumerate(batch):
            try:
                await self._handle_one(raw, handler)
                await raw.ack()
            except asyncio.CancelledError:
                raise
            except Exception:  # the handler's own errors: the message must come again, whatever they are
                log.exception("a message on %s was not handled; it comes again", raw.subject)
                for later in batch[number:]:
                    with suppress(*_FAILURES):
                        await later.nak(delay=_RETRY)
                return

    async def _handle_one(self, received: Msg, handler: Handler) -> None:
        raw = Raw(received.metadata.sequence.stream, received.subject, received.data)
        run = self._run_of(raw)
        if run is None:
            return
        verifier = self._verifier(run)
        try:
            message = await self._checked(verifier, raw)
        except messages.MessageError as exc:
            verifier.drop(raw, exc)
            self.dropped += 1
            return
        if message is not None and not verifier.is_seen(message):
            await handler(run, Stored(raw.sequence, message))
            verifier.see(message)

    async def _checked(self, verifier: Verifier, raw: Raw) -> Message | None:
        """Keys that are not known yet are read; they were stored before they were given out."""
        try:
            return verifier.check(raw)
        except messages.MessageError:
            await self._read_keys(verifier)
            return verifier.check(raw)

    def _run_of(self, raw: Raw) -> RunRef | None:
        """Which run a message says it is of; believed only as far as choosing the keys to check it by."""
        try:
            run = messages.decode(raw.data)["run"]
            ref = RunRef(str(run["namespace"]), str(run["name"]), str(run["uid"]))
        except (messages.MessageError, KeyError, TypeError) as exc:
            self.dropped += 1
            log.error("dropped a message on %s: %s", raw.subject, exc)  # noqa: TRY400 - an attack, not a failure of ours
            return None
        if not raw.subject.startswith(ref.root + "."):
            self.dropped += 1
            log.error("dropped a message of run %s/%s on %s", ref.namespace, ref.name, raw.subject)
            return None
        return ref

    def _verifier(self, run: RunRef) -> Verifier:
        verifier = self._verifiers.get((run.root, run.uid))
        if verifier is None:
            if len(self._verifiers) >= _KNOWN_RUNS:
                self._verifiers.pop(next(iter(self._verifiers)))
            verifier = self._verifiers[run.root, run.uid] = Verifier(
                run, self.keyring.controller_key.public_key()
            )
        return verifier

    async def _learned(self, run: RunRef) -> Verifier:
        """The verifier of a run, with the keys that are in its history now."""
        verifier = self._verifier(run)
        await self._read_keys(verifier)
        return verifier

    async def _read_keys(self, verifier: Verifier) -> None:
        async for raw in stored(
            self._nats, verifier.run, after=verifier.keys_read, subject=verifier.run.keys
        ):
            try:
                verifier.check(raw)
            except messages.MessageError as exc:
                verifier.drop(raw, exc)
            verifier.keys_read = raw.sequence

    # -- histories

    async def transcript(self, run: RunRef) -> list[Stored]:
        """All verified messages of a run, in order. Raises BusError."""
        verifier = Verifier(run, self.keyring.controller_key.public_key())
        found = [
            Stored(raw.sequence, message)
            async for raw in stored(self._nats, run)
            if (message := verifier.take(raw)) is not None
        ]
        self.dropped += verifier.dropped
        return found

    async def purge(self, run: RunRef) -> None:
        """Remove the history of a run. Raises BusError."""
        try:
            await self._js.purge_stream(STREAM, subject=run.everything)
        except _FAILURES as exc:
            raise BusError(f"the history of run {run.name} is not removed: {words(exc)}") from exc
        self._verifiers.pop((run.root, run.uid), None)
