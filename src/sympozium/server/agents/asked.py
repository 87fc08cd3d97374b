"""A request as a run: made once, followed to its end, cancelled when nobody waits for it.

The server makes the run as itself, and the webhook lets it make no other than the agent's own (sympozium.webhook.endpoints). The
name of a run that was asked for with an idempotency key derives from that key: asked for again, it is found and not made.
"""

import asyncio
import hashlib
import logging
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from sympozium import durations
from sympozium.api.endpoint import LABEL_ENDPOINT
from sympozium.api.meta import ANNOTATION_REQUEST, API_VERSION, LABEL_INSTANCE
from sympozium.api.run import TERMINAL
from sympozium.bus.errors import BusError
from sympozium.bus.subjects import RunRef
from sympozium.kube import AlreadyExistsError, ApiError, Client, KubeError
from sympozium.kube.resources import Object
from sympozium.names import derive, digest
from sympozium.resources import RUNS, caused
from sympozium.server.agents.directory import Agent
from sympozium.server.agents.rates import Rates
from sympozium.server.copies import RUNS as RUNS_COPY, Copies
from sympozium.server.feed.feed import Feed
from sympozium.server.feed.frames import data_of
from sympozium.server.feed.hub import Hub
from sympozium.server.feed.text import Mark, Piece

log = logging.getLogger(__name__)
_CHUNK: Final = 64 * 1024
_LAST_WORD: Final = 5.0
"""Seconds after the end of a run in which its result is waited for on the bus; then the status has to do."""
_SETTLE: Final = 30.0
"""Seconds from the result of a run to the end of its pod, at most."""
_CANCEL_SECONDS: Final = 10.0
_PATIENCE: Final = 300.0
"""Seconds beyond its timeout for a run to come to its end: it may be queued, and its pod has to start and stop."""
_NO_TIMEOUT: Final = "30m"


class RefusedError(Exception):
    """The run was not made, or its request is another.

    `status` is HTTP's, `code` a word for programs, `wait` the seconds after which to try again.
    """

    def __init__(self, status: int, code: str, message: str, *, wait: int = 0) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.wait = wait


@dataclass(frozen=True, slots=True)
class Ask:
    """What is asked of an agent. `protocol` is `chat`, `mcp` or `a2a`."""

    agent: Agent
    protocol: str
    task: str
    history: Sequence[Mapping[str, str]] = ()
    session: str | None = None
    idempotency: str | None = None

    @property
    def name(self) -> str:
        """Of the run."""
        what = digest(self.agent.uid, self.idempotency) if self.idempotency else secrets.token_hex(5)
        return derive(self.agent.name, self.protocol, what, limit=57)

    def manifest(self) -> Object:
        agent = self.agent
        spec: Object = {"instanceRef": agent.name, "task": self.task}
        if self.history:
            spec["history"] = [dict(said) for said in self.history]
        if self.session:
            spec["sessionKey"] = self.session
        labels = {LABEL_ENDPOINT: self.protocol}
        if len(agent.name) <= 63:
            labels[LABEL_INSTANCE] = agent.name
        meta: Object = {"name": self.name, "namespace": agent.namespace, "labels": labels}
        if self.idempotency:
            # What an agent was told before in a context is ours to know, and more of it when a message comes again.
            told = spec if self.protocol == "chat" else {**spec, "history": None}
            meta["annotations"] = {ANNOTATION_REQUEST: _fingerprint(told)}
        return {"apiVersion": API_VERSION, "kind": "AgentRun", "metadata": meta, "spec": spec}


def _fingerprint(spec: Object) -> str:
    return "sha256:" + hashlib.sha256(orjson.dumps(spec, option=orjson.OPT_SORT_KEYS)).hexdigest()


@dataclass(frozen=True, slots=True)
class Text:
    """More of what the agent says. `step` numbers its steps from 1."""

    step: int
    text: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """Nothing is said for now; `why` in words."""

    why: str


@dataclass(frozen=True, slots=True)
class Ended:
    """How the run ended. `reason` is `status.reason`."""

    phase: str
    reason: str
    result: str
    error: str = ""
    input_tokens: int = 0
    output_tokens: int = 0


Happening = Text | Waiting | Ended


@dataclass(slots=True)
class Asked:
    """A run that somebody waits for."""

    ref: RunRef
    created: str
    seconds: float
    """How long it is waited for: its timeout, and a while for its place in the queue."""
    keyed: bool
    """Asked for with an idempotency key: whoever comes again wants its end, so nobody's going ends it."""


@dataclass(slots=True)
class _Said:
    """What was passed on of each step, so that a text that comes anew is passed on once."""

    place: int = 0
    mark: Mark = field(default_factory=Mark)
    texts: dict[int, str] = field(default_factory=dict)
    gaps: set[int] = field(default_factory=set)
    """Steps of whose text pieces were missed: the rest comes with the whole."""

    def piece(self, piece: Piece) -> Text | None:
        """Of a text that is being written."""
        if piece.fresh and not piece.whole:
            self.gaps.add(piece.step)
        return None if piece.step in self.gaps else self.more(piece.step, piece.text, fresh=piece.fresh)

    def more(self, step: int, text: str, *, fresh: bool) -> Text | None:
        """`fresh`: the text is all of the step. One that is no continuation is begun again, visibly."""
        before = self.texts.get(step, "")
        whole = text if fresh else before + text
        rest = whole.removeprefix(before) if whole.startswith(before) else f"\n\n{whole}"
        self.texts[step] = whole
        return Text(step, rest) if rest else None


class Asking:
    """Makes runs and follows them, as the server."""

    def __init__(self, kube: Client, copies: Copies, hub: Hub) -> None:
        self._kube = kube
        self._copies = copies
        self._hub = hub
        self._rates = Rates()

    async def start(self, ask: Ask) -> Asked:
        """Raises RefusedError."""
        agent = ask.agent
        per_minute, burst = agent.rate
        if wait := self._rates.take(agent.uid, per_minute, burst):
            words = f"{agent.name} takes {per_minute} requests a minute, {burst} at once: again in {wait} s"
            raise RefusedError(429, "rate_limit_exceeded", words, wait=wait)
        manifest = caused(ask.manifest())
        try:
            made = await self._kube.create(RUNS, manifest)
        except AlreadyExistsError as error:
            made = await self._again(ask, manifest, error)
        except ApiError as error:
            raise _refusal(error) from error
        except KubeError as error:
            raise RefusedError(
                503, "unavailable", f"the Kubernetes API does not answer: {error}; try again"
            ) from error
        return self.of(made, keyed=bool(ask.idempotency))

    @staticmethod
    def of(run: Object, *, keyed: bool) -> Asked:
        """A run that was made before."""
        meta = run["metadata"]
        ref = RunRef(meta["namespace"], meta["name"], meta["uid"])
        timeout = durations.parse(run["spec"].get("timeout") or _NO_TIMEOUT)
        return Asked(ref, meta["creationTimestamp"], timeout + _PATIENCE, keyed)

    async def _again(self, ask: Ask, manifest: Object, error: AlreadyExistsError) -> Object:
        meta = manifest["metadata"]
        try:
            found = await self._kube.get(RUNS, meta["name"], meta["namespace"])
        except KubeError as gone:
            raise RefusedError(409, "conflict", f"the run of this request cannot be read: {gone}") from error
        annotations = found["metadata"].get("annotations") or {}
        if (
            not ask.idempotency
            or annotations.get(ANNOTATION_REQUEST) != meta["annotations"][ANNOTATION_REQUEST]
        ):
            words = "this Idempotency-Key was used for another request: take a new one for each request"
            raise RefusedError(409, "idempotency_key_in_use", words) from error
        return found

    async def cancel(self, asked: Asked, why: str) -> None:
        """End a run that nobody waits for any more. What fails is logged: its own timeout ends the run too."""
        ref = asked.ref
        log.info("run %s/%s is cancelled: %s", ref.namespace, ref.name, why)
        try:
            async with asyncio.timeout(_CANCEL_SECONDS):
                patch = {"metadata": {"uid": ref.uid}, "spec": {"cancel": True}}
                await self._kube.patch(RUNS, ref.name, ref.namespace, patch)
        except (KubeError, TimeoutError) as error:
            log.warning("run %s/%s could not be cancelled: %s", ref.namespace, ref.name, error)

    def found(self, ref: RunRef) -> Object | None:
        """The run as it is in the copy."""
        obj = self._copies[RUNS_COPY].get(ref.namespace, ref.name)
        return obj if obj and obj["metadata"]["uid"] == ref.uid else None

    async def follow(self, asked: Asked, *, idle: float) -> AsyncIterator[Happening]:
        """What happens, `Ended` last; `Waiting` when nothing did for `idle` seconds. Until the caller stops."""
        woken = asyncio.Event()
        said = _Said()
        loop = asyncio.get_running_loop()
        until = loop.time() + asked.seconds
        ended_at: float | None = None
        seen = False
        async with self._hub.look(asked.ref, woken.set) as feed:
            while True:
                woken.clear()
                quiet = True
                async for happening in self._take(feed, said):
                    quiet = False
                    yield happening
                    if isinstance(happening, Ended):
                        return
                obj = self.found(asked.ref)
                if (over := _over(obj, gone=seen)) is not None:
                    ended_at = ended_at or loop.time()
                    if loop.time() - ended_at >= _LAST_WORD or over.phase != "Succeeded":
                        yield over
                        return
                seen = seen or obj is not None
                if loop.time() >= until:
                    yield await self._impatient(asked, obj)
                    return
                try:
                    async with asyncio.timeout(0.5 if ended_at else idle):
                        await woken.wait()
                except TimeoutError:
                    if quiet and not ended_at:
                        yield Waiting(waits_for(obj))

    async def settled(self, asked: Asked) -> None:
        """Wait until the status of a run that has answered says so too, a while: whoever asks for it next sees the same."""
        woken = asyncio.Event()
        try:
            async with asyncio.timeout(_SETTLE), self._hub.look(asked.ref, woken.set):
                while _over(self.found(asked.ref), gone=True) is None:
                    woken.clear()
                    await woken.wait()
        except TimeoutError:
            log.warning(
                "run %s/%s has answered, and its status does not say so", asked.ref.namespace, asked.ref.name
            )

    async def _impatient(self, asked: Asked, obj: Object | None) -> Ended:
        words = f"it has not ended within {asked.seconds:.0f} s: {waits_for(obj)}"
        if not asked.keyed:
            await self.cancel(asked, words)
        return Ended("Pending", "Timeout", "", words)

    async def _take(self, feed: Feed, said: _Said) -> AsyncIterator[Happening]:
        """What the bus has of the run and was not passed on."""
        while True:
            entries = feed.log.after(said.place, _CHUNK)
            if entries is None:
                try:
                    entries = await feed.older(said.place, _CHUNK)
                except BusError as error:
                    log.warning("run %s/%s: %s", feed.run.namespace, feed.run.name, error)
                    return
            if not entries:
                break
            for entry in entries:
                said.place = entry.place
                if (happening := _happening(orjson.loads(data_of(entry.frame)), said)) is not None:
                    yield happening
        piece, said.mark = feed.text.since(said.mark)
        if piece is not None and (text := said.piece(piece)) is not None:
            yield text


def _happening(event: dict[str, Any], said: _Said) -> Happening | None:
    data = event["data"]
    if event["type"] == "model.message":
        return said.more(data["step"], data["text"], fresh=True)
    if event["type"] == "run.result":
        usage = data["usage"]
        return Ended(
            data["phase"], data["reason"], data["result"], data.get("error") or "",
            usage["inputTokens"], usage["outputTokens"],
        )  # fmt: skip
    return None


def _over(obj: Object | None, *, gone: bool) -> Ended | None:
    """The end of a run by its status; None while it goes on, or is not in the copy yet."""
    if obj is None:
        return Ended("Cancelled", "Deleted", "", "the run was deleted") if gone else None
    status = obj.get("status") or {}
    if status.get("phase") not in TERMINAL:
        return None
    usage = status.get("tokenUsage") or {}
    return Ended(
        status["phase"], status.get("reason") or "", status.get("result") or "", status.get("error") or "",
        usage.get("inputTokens") or 0, usage.get("outputTokens") or 0,
    )  # fmt: skip


def waits_for(obj: Object | None) -> str:
    """What a run does while it says nothing, in words."""
    status = (obj or {}).get("status") or {}
    phase = status.get("phase") or "Pending"
    if phase == "AwaitingApproval":
        return "waits for a person to approve a tool call"
    if phase == "Queued":
        return f"queued: {(status.get('queue') or {}).get('reason') or 'waits for a slot'}"
    words = status.get("error")
    return f"{phase.lower()}: {words}" if words else str(phase).lower()


def _refusal(error: ApiError) -> RefusedError:
    if error.code in (400, 403, 404, 422):
        status = 400 if error.code == 422 else error.code
        return RefusedError(status, str(error.reason or "refused"), error.message)
    if error.code == 429:
        return RefusedError(429, "rate_limit_exceeded", error.message)
    return RefusedError(503, "unavailable", f"the run could not be made: {error.message}; try again")
