"""The bus of `port`, on `sympozium.bus`.

The connection is made in the background and made again: a bus that is away, or whose Secrets are not there yet,
keeps the controllers from starting and judging runs, and from nothing else.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, Final

from sympozium.bus import errors
from sympozium.bus.admin import Admin
from sympozium.bus.audit.entry import Entry
from sympozium.bus.credentials import CredentialsError, User
from sympozium.bus.history import Stored as StoredMessage
from sympozium.bus.keyring import Keyring
from sympozium.bus.messages import MEMORY_REQUEST, REQUEST_ANSWERED, SCHEDULE_REQUEST, SPAWN_REQUEST
from sympozium.bus.subjects import CONTROLLER
from sympozium.controllers.run.fold import Event
from sympozium.controllers.run.port import (
    ApprovalWanted,
    AuditEnd,
    BusError,
    Credentials,
    Handler,
    Ref,
    Request,
    Stored,
)
from sympozium.kube import Client, KubeError
from sympozium.kube.resources import CONFIG_MAPS, SECRETS, Object
from sympozium.kube.secretdata import decoded

log = logging.getLogger(__name__)

CONFIG_MAP: Final = "sympozium-bus"
OPERATOR_SECRET: Final = "sympozium-bus-operator"  # noqa: S105 - a name
USER_SECRET: Final = "sympozium-bus-controller"  # noqa: S105 - a name
_RETRY: Final = 2.0
# Message types of docs/contracts.md.
_APPROVAL: Final = "approval"
_DECIDED: Final = "approval.decided"
_CANCEL: Final = "run.cancel"


@contextlib.asynccontextmanager
async def connect(client: Client, namespace: str) -> AsyncIterator["NatsBus"]:
    """A bus that connects as soon as it can, and is closed at the end of the block."""
    bus = NatsBus()
    async with asyncio.TaskGroup() as group:
        opening = group.create_task(bus.open(client, namespace))
        try:
            yield bus
        finally:
            opening.cancel()
            await bus.close()


class NatsBus:
    """Implements `port.Bus`. Its methods raise BusError until `open` has succeeded."""

    def __init__(self) -> None:
        self._admin: Admin | None = None
        self._opened = asyncio.Event()

    async def open(self, client: Client, namespace: str) -> None:
        """Connect; tries again until it succeeds or is cancelled."""
        while True:
            try:
                self._admin = await _admin(client, namespace)
            except (KubeError, errors.BusError, CredentialsError, KeyError, ValueError) as error:
                log.warning("no bus yet: %s", error)
                await asyncio.sleep(_RETRY)
            else:
                log.info("connected to the bus at %s", self._admin.url)
                self._opened.set()
                return

    async def close(self) -> None:
        if self._admin is not None:
            await self._admin.close()

    @property
    def connected(self) -> bool:
        return self._admin is not None and self._admin.connected

    @property
    def url(self) -> str:
        return self._known.url

    @property
    def _known(self) -> Admin:
        if self._admin is None:
            raise BusError("the bus is not connected yet")
        return self._admin

    async def issue(self, ref: Ref) -> Credentials:
        with _translated():
            found = await self._known.issue(ref)
        return Credentials(agent=found["agent"].files(), tools=found["tools"].files())

    async def revoke(self, ref: Ref) -> None:
        with _translated():
            await self._known.revoke(ref)

    async def purge(self, ref: Ref) -> None:
        with _translated():
            await self._known.purge(ref)

    async def transcript(self, ref: Ref) -> Sequence[Stored]:
        with _translated():
            found = await self._known.transcript(ref)
        return [_stored(item) for item in found if item.message.source != CONTROLLER]

    async def cancel(self, ref: Ref, reason: str) -> None:
        with _translated():
            await self._known.tell(ref, _CANCEL, {"reason": reason}, once=f"cancel-{ref.uid}")

    async def decide(self, ref: Ref, decision: Mapping[str, Any], *, once: str) -> None:
        with _translated():
            await self._known.tell(ref, _DECIDED, decision, once=once)

    async def tell(self, ref: Ref, kind: str, data: Mapping[str, Any]) -> None:
        with _translated():
            await self._known.tell(ref, kind, data, once="")

    async def answer(self, ref: Ref, call: str, *, ok: bool, text: str, once: str) -> None:
        with _translated():
            await self._known.tell(ref, REQUEST_ANSWERED, {"callId": call, "ok": ok, "text": text}, once=once)

    async def consume(self, handler: Handler) -> None:
        await self._opened.wait()

        async def handle(ref: Ref, item: StoredMessage) -> None:
            if item.message.type == _APPROVAL:
                await handler.approval(ref, _wanted(item))
            elif item.message.type in (SPAWN_REQUEST, SCHEDULE_REQUEST, MEMORY_REQUEST):
                message = item.message
                await handler.request(ref, Request(message.type, message.data, message.time))
            else:
                await handler.event(ref, _stored(item))

        await self._known.consume(handle)

    def audit_end(self, ref: Ref) -> AuditEnd | None:
        entry = self._admin.recorder.head(ref) if self._admin is not None else None
        return _audit_end(entry) if entry is not None else None

    async def audit_open(self, ref: Ref, data: Mapping[str, Any], *, time: str) -> AuditEnd:
        with _translated():
            return _audit_end(await self._known.recorder.open(ref, data, time=time))

    async def audit_admit(self, ref: Ref, data: Mapping[str, Any], *, time: str) -> AuditEnd:
        with _translated():
            return _audit_end(await self._known.recorder.admit(ref, data, time=time))

    async def audit_close(self, ref: Ref, data: Mapping[str, Any], *, time: str) -> AuditEnd:
        with _translated():
            return _audit_end(await self._known.recorder.close(ref, data, time=time))


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """The bus's errors as those that the reconcilers back off for."""
    try:
        yield
    except errors.BusError as error:
        raise BusError(str(error)) from error


async def _admin(client: Client, namespace: str) -> Admin:
    config = await client.get(CONFIG_MAPS, CONFIG_MAP, namespace)
    keyring = Keyring.from_secret(_decoded(await client.get(SECRETS, OPERATOR_SECRET, namespace)))
    user = User.parse(_decoded(await client.get(SECRETS, USER_SECRET, namespace))["user.creds"])
    servers = int(config["data"].get("replicas", "1"))
    return await Admin.open(config["data"]["url"], keyring, user, servers=servers)


def _decoded(secret: Object) -> dict[str, str]:
    return {key: value.decode() for key, value in decoded(secret).items()}


def _audit_end(entry: Entry) -> AuditEnd:
    return AuditEnd(entry.n, entry.hash)


def _stored(item: StoredMessage) -> Stored:
    return Stored(item.sequence, Event(item.message.type, item.message.data, item.message.time))


def _wanted(item: StoredMessage) -> ApprovalWanted:
    """A tool server is ours but its request passed through a model's hands: nothing in it is taken for granted."""
    data = item.message.data
    args = data.get("args")
    return ApprovalWanted(
        call_id=str(data.get("callId") or ""),
        tool=str(data.get("tool") or ""),
        target=str(data.get("target") or ""),
        args=args if isinstance(args, dict) else {"value": args},
        args_digest=str(data.get("argsDigest") or ""),
        reason=str(data.get("reason") or ""),
        expires_in=_seconds(data.get("expiresIn")),
        time=item.message.time,
        preview=data.get("preview") or {},
    )


def _seconds(value: Any) -> float:
    """How long to wait for a person; what is no number of seconds waits for nobody."""
    return float(value) if isinstance(value, int | float) and value > 0 else 0.0
