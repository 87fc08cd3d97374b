"""The controllers' side: the stream, the users and keys of runs, and what all runs say.

One process at a time does this (the leader). Every method may be repeated: a second time changes nothing
that matters.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
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

from sympozium.bus import messages, nkey
from sympozium.bus.accounts import Accounts
from sympozium.bus.audit.recorder import Recorder
from sympozium.bus.audit.store import Store
from sympozium.bus.connection import API_TIMEOUT, FAILURES, Reconnections, connect, words
from sympozium.bus.credentials import Credentials, User
from sympozium.bus.deliveries import Deliveries, DeliveryLostError
from sympozium.bus.errors import BusError
from sympozium.bus.figures import AGE, DROPPED, PENDING, REDELIVERED
from sympozium.bus.history import Raw, Stored, Verifier, stored, transcript
from sympozium.bus.keyring import SOURCES, Keyring
from sympozium.bus.lanes import Lanes
from sympozium.bus.messages import Message, seal
from sympozium.bus.subjects import ALL, CONTROLLER, STREAM, TOOLS, RunRef

log = logging.getLogger(__name__)
_CONTROL_ACK_WAIT = 5.0
"""Seconds after which a run is told again what a tool server took and died over. It knows what it has already."""
_RETRY = 1.0
_KNOWN_RUNS = 2000

Handler = Callable[[RunRef, Stored], Awaitable[None]]


@dataclass(slots=True)
class Admin:
    """Use `await Admin.open(...)`, and `close()` at the end."""

    url: str
    keyring: Keyring
    _nats: Nats
    _reconnections: Reconnections
    _accounts: Accounts
    recorder: Recorder
    dropped: int = 0
    """Messages that did not verify, over the life of this process."""
    _verifiers: dict[tuple[str, str], Verifier] = field(default_factory=dict)

    @classmethod
    async def open(cls, url: str, keyring: Keyring, user: User | None = None, *, servers: int = 1) -> Self:
        """Connect, and make the streams where they are not there, each of them on all of `servers`. Raises BusError."""
        reconnections = Reconnections()
        accounts = Accounts(url, keyring, servers=servers)
        try:
            await accounts.ensure()
            connection = await connect(
                url, user or keyring.controller_user(), name="controllers", reconnections=reconnections
            )
        except BaseException:
            await accounts.close()
            raise
        store = Store(connection, reconnections)
        recorder = Recorder(connection, store, keyring)
        admin = cls(url, keyring, connection, reconnections, accounts, recorder)
        try:
            await admin.ensure_stream(replicas=servers)
            await store.ensure(replicas=servers)
        except BaseException:
            await admin.close()
            raise
        return admin

    async def close(self) -> None:
        await self._accounts.close()
        with suppress(*FAILURES):
            await self._nats.close()

    @property
    def connected(self) -> bool:
        return self._nats.is_connected

    async def ensure_stream(self, *, max_age: float = 0, replicas: int = 1) -> None:
        """`max_age`: seconds after which messages go; 0 keeps them until the AgentRun is deleted.

        A stream that is there on fewer servers is copied to the others as it is.
        """
        config = StreamConfig(
            name=STREAM,
            subjects=[ALL],
            storage=StorageType.FILE,
            retention=RetentionPolicy.LIMITS,
            allow_direct=True,
            max_age=max_age,
            num_replicas=replicas,
            duplicate_window=120,
            # One for each run at work. The server's own limit would be 1000.
            max_consumers=100_000,
            description="Histories of runs (docs/contracts.md)",
        )
        try:
            await self._js.add_stream(config)
        except nats.js.errors.BadRequestError:
            try:
                await self._js.update_stream(config)
            except FAILURES as exc:
                raise BusError(f"the stream {STREAM} is there and differs: {exc}") from exc
        except FAILURES as exc:
            raise BusError(f"the stream {STREAM} cannot be made: {words(exc)}") from exc

    @property
    def _js(self) -> Any:
        return self._nats.jetstream(timeout=API_TIMEOUT)

    # -- users and keys

    async def issue(self, run: RunRef) -> dict[str, Credentials]:
        """Credentials of each container that speaks; those of an earlier attempt are cut off."""
        earlier = (await self._learned(run)).issuers.copy()
        keys = {source: messages.new_key() for source in SOURCES}
        issuer = nkey.new_seed("account")
        users = {source: self.keyring.run_user(run, source, issuer) for source in SOURCES}
        # On record first: whatever happens next, `revoke` knows what there is to take away.
        await self._tell(
            run,
            run.keys,
            messages.RUN_KEYS,
            {
                "keys": {source: messages.public_text(key.public_key()) for source, key in keys.items()},
                "issuer": nkey.public(issuer),
            },
        )
        await self._accounts.change(add={nkey.public(issuer)}, remove=earlier)
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
            ack_wait=_CONTROL_ACK_WAIT,
            max_ack_pending=1,
        )
        try:
            await self._js.add_consumer(STREAM, config)
        except FAILURES as exc:
            raise BusError(f"the consumer of run {run.name} cannot be made: {words(exc)}") from exc

    async def revoke(self, run: RunRef) -> None:
        """Cut off the users of a run at once, and remove its consumer. Its history stays."""
        await self._accounts.change(remove=(await self._learned(run)).issuers)
        with suppress(nats.js.errors.NotFoundError):
            try:
                await self._js.delete_consumer(STREAM, run.consumer(TOOLS))
            except nats.js.errors.NotFoundError:
                raise
            except FAILURES as exc:
                raise BusError(f"the consumer of run {run.name} cannot be removed: {words(exc)}") from exc

    # -- telling a run

    async def tell(self, run: RunRef, kind: str, data: Mapping[str, Any], *, once: str) -> None:
        """A control message; `once` (such as the uid of a decision) makes a repeated call one message.

        Empty: each call is a message of its own.
        """
        await self._tell(run, run.control, kind, data, once=once)

    async def _tell(
        self, run: RunRef, subject: str, kind: str, data: Mapping[str, Any], *, once: str = ""
    ) -> None:
        epoch = once or format(time.time_ns(), "x")
        message = Message(kind, run, CONTROLLER, epoch, 1, data)
        payload = seal(message, self.keyring.controller_key)
        headers: dict[str, Any] = {Header.MSG_ID: f"{self._message_secret()}-{run.uid}-{kind}-{epoch}"}
        try:
            await self._js.publish(subject, payload, headers=headers)
        except FAILURES as exc:
            raise BusError(f"{kind} for run {run.name} is not stored: {words(exc)}") from exc

    def _message_secret(self) -> str:
        return self.keyring.controller_key.sign(b"sympozium message id").hex()[:32]

    # -- hearing the runs

    async def consume(self, handler: Handler) -> None:
        """Hand each stored event and request to `handler` until cancelled: in order for a run, each at least once.

        Every message, also those of the controllers, is on the run's record before the handler gets it. It is
        acknowledged when the handler returns. When it raises, it gets the same message again, and
        the later ones of that run wait; other runs go on. Raises BusError when the server closed the connection
        in a way that nats-py does not come back from: a new process does.
        """
        held: dict[int, Msg] = {}

        async def handle(sequence: int) -> None:
            await self._handle_one(held[sequence], handler)
            with suppress(*FAILURES):  # not acknowledged, it comes again and is known
                await held.pop(sequence).ack()

        async with asyncio.TaskGroup() as group:
            lanes = Lanes(group, handle)
            deliveries = Deliveries(lambda: self._js, self._reconnections)
            while True:
                try:
                    async with deliveries.opened():
                        while True:
                            raw = await deliveries.next()
                            if raw is None:
                                continue
                            sequence = raw.metadata.sequence.stream
                            if sequence not in held:
                                lanes.put(tuple(raw.subject.split(".")[2:4]), sequence)
                            # It came again while it is held: only the newest delivery can be acknowledged.
                            held[sequence] = raw
                except DeliveryLostError as exc:
                    log.warning("bus: %s; reading again from the first that was not acknowledged", exc)
                except FAILURES as exc:
                    if self._nats.is_closed:
                        raise BusError(f"the bus closed the connection for good: {words(exc)}") from exc
                    log.warning("bus: events cannot be read: %s", words(exc))
                    await asyncio.sleep(_RETRY)

    async def _handle_one(self, received: Msg, handler: Handler) -> None:
        metadata = received.metadata
        raw = Raw(metadata.sequence.stream, received.subject, received.data)
        PENDING.set(metadata.num_pending)
        AGE.observe(max(0.0, (datetime.now(UTC) - metadata.timestamp).total_seconds()))
        if metadata.num_delivered > 1:
            REDELIVERED.inc()
        run = self._run_of(raw)
        if run is None:
            await self.recorder.lost(raw.subject, raw.sequence)
            return
        verifier = self._verifier(run)
        try:
            message = await self._checked(verifier, raw)
        except messages.MessageError as exc:
            verifier.drop(raw, exc)
            self.dropped += 1
            await self.recorder.lost(raw.subject, raw.sequence)
            return
        if message is None or verifier.is_seen(message):
            return
        await self.recorder.take(run, Stored(raw.sequence, message))
        if message.source != CONTROLLER:
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
            DROPPED.labels("Message").inc()
            log.error("dropped a message on %s: %s", raw.subject, exc)  # noqa: TRY400 - an attack, not a failure of ours
            return None
        if not raw.subject.startswith(ref.root + "."):
            self.dropped += 1
            DROPPED.labels("Subject").inc()
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
        found = await transcript(self._nats, verifier)
        self.dropped += verifier.dropped
        return found

    async def purge(self, run: RunRef) -> None:
        """Remove the history of a run, and whoever could still write to it. Raises BusError."""
        await self.revoke(run)
        try:
            await self._js.purge_stream(STREAM, subject=run.everything)
        except FAILURES as exc:
            raise BusError(f"the history of run {run.name} is not removed: {words(exc)}") from exc
        self._verifiers.pop((run.root, run.uid), None)
        self.recorder.forget(run)
