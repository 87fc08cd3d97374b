"""What the run controllers need of the bus, as a protocol: `wire` fulfils it with `sympozium.bus`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from sympozium.bus.subjects import RunRef as Ref
from sympozium.controllers.run.fold import Event
from sympozium.kube import RetryLaterError

__all__ = [
    "ApprovalWanted", "AuditEnd", "Bus", "BusError", "Credentials", "Handler", "Ref", "Request", "Stored",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stored:
    """An event with its place in the stream: larger is later."""

    sequence: int
    event: Event


@dataclass(frozen=True, slots=True)
class ApprovalWanted:
    """A request of the tool server, as in docs/contracts.md."""

    call_id: str
    tool: str
    target: str
    args: Mapping[str, Any]
    args_digest: str
    reason: str
    expires_in: float
    time: str
    preview: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """A call of the run that the control plane makes: `kind` is `spawn`, `schedule` or `memory`, `data` as in `bus.data`."""

    kind: str
    data: Mapping[str, Any]
    time: str

    @property
    def call(self) -> str:
        return str(self.data["callId"])


@dataclass(frozen=True, slots=True)
class Credentials:
    """Files of the two Secrets of a run, ready for `data` (base64 is added by who writes them)."""

    agent: Mapping[str, bytes]
    tools: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class AuditEnd:
    """Where a run's record stands."""

    entries: int
    hash: str


class Handler(Protocol):
    """What the consumer calls, in order for each run. A message is acknowledged when the call returns, and comes
    again when it raises.
    """

    async def event(self, ref: Ref, stored: Stored) -> None: ...

    async def approval(self, ref: Ref, wanted: ApprovalWanted) -> None: ...

    async def request(self, ref: Ref, request: Request) -> None: ...


class Bus(Protocol):
    """Every method may be repeated: a second time changes nothing. Raises BusError when there is no bus."""

    @property
    def connected(self) -> bool: ...

    @property
    def url(self) -> str:
        """Where the bus is, for pods."""

    async def issue(self, ref: Ref) -> Credentials:
        """Users and keys of a run; new ones each time, which make the old ones useless."""

    async def revoke(self, ref: Ref) -> None:
        """Cut off the users of a run. Its history stays."""

    async def purge(self, ref: Ref) -> None:
        """Remove the history of a run."""

    async def transcript(self, ref: Ref) -> Sequence[Stored]:
        """All verified events of a run, in order."""

    async def cancel(self, ref: Ref, reason: str) -> None:
        """Tell the run that it is cancelled."""

    async def decide(self, ref: Ref, decision: Mapping[str, Any], *, once: str) -> None:
        """Tell the run what was decided: data of `approval.decided`. `once` makes a repeated call one message."""

    async def tell(self, ref: Ref, kind: str, data: Mapping[str, Any]) -> None:
        """Tell the run something that may be told again, and then counts anew; the type and its data as in docs/contracts.md."""

    async def answer(self, ref: Ref, call: str, *, ok: bool, text: str, once: str) -> None:
        """Answer a request of the run. `once` as for `decide`."""

    async def consume(self, handler: Handler) -> None:
        """Put every stored message on its run's record, then hand it to the handler; until cancelled."""

    def audit_end(self, ref: Ref) -> AuditEnd | None:
        """Where the run's record stands, as far as this process knows."""

    async def audit_open(self, ref: Ref, data: Mapping[str, Any], *, time: str) -> AuditEnd:
        """Begin the record of a run with `run.created`, if it has not begun."""

    async def audit_admit(self, ref: Ref, data: Mapping[str, Any], *, time: str) -> AuditEnd:
        """Put `run.admitted` on an open record, unless it is its last entry."""

    async def audit_close(self, ref: Ref, data: Mapping[str, Any], *, time: str) -> AuditEnd:
        """Put what is missing of the transcript on an open record, then `run.ended`, if it has not ended."""


class BusError(RetryLaterError):
    """The bus cannot be reached or refused; trying later is right."""
