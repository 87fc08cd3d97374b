"""Which runs there are, in the order in which a person wants to know of them, and what they add up to. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sympozium.actions.approvals import decision_of
from sympozium.actions.runs import has_ended, phase_of
from sympozium.kube.conditions import find, parse_time
from sympozium.kube.resources import Object, key_of

Key = tuple[str, str]
_RECENT = timedelta(hours=24)
_HEAD = 300


@dataclass(frozen=True, slots=True)
class Row:
    """One run. `approval` is the name of what waits for a person in it."""

    key: Key
    uid: str
    instance: str
    phase: str
    words: str
    steps: int
    tokens: int
    began: datetime
    ended: datetime | None
    approval: str = ""
    suspended: bool = False

    @property
    def rank(self) -> int:
        """First what waits for a person, then what goes on, then what will, then what was."""
        if self.approval:
            return 0
        return 3 if self.ended else 2 if self.phase in ("Pending", "Queued") else 1

    def seconds(self, now: datetime) -> int:
        """How long it has been going, or went."""
        return max(int(((self.ended or now) - self.began).total_seconds()), 0)


@dataclass(frozen=True, slots=True)
class Board:
    """Everything that is shown of the runs."""

    rows: tuple[Row, ...] = ()
    phases: Mapping[str, int] = field(default_factory=dict)
    waiting: int = 0
    failed: int = 0
    """In the last 24 hours."""
    tokens: int = 0
    """Of the runs that were created since midnight UTC."""
    started: int = 0
    """Runs that were created since midnight UTC."""
    stopped: bool = False


def board(runs: Iterable[Object], approvals: Iterable[Object], *, stopped: bool, now: datetime) -> Board:
    """`stopped`: the installation is."""
    waits = {(a["metadata"]["namespace"], a["spec"]["runRef"]): a for a in approvals if not decision_of(a)}
    rows = [_row(run, waits.get(key_of(run))) for run in runs]
    rows.sort(key=_order)
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    of_today = [row for row in rows if row.began >= today]
    return Board(
        tuple(rows),
        Counter(row.phase for row in rows),
        sum(bool(row.approval) for row in rows),
        sum(row.phase == "Failed" and row.ended is not None and row.ended >= now - _RECENT for row in rows),
        sum(row.tokens for row in of_today),
        len(of_today),
        stopped,
    )


def slim(run: Object) -> Object:
    """What of a run is shown: thousands of them are kept."""
    run["metadata"].pop("managedFields", None)
    spec, status = run.get("spec") or {}, run.get("status") or {}
    for part, name in ((spec, "task"), (status, "result"), (status, "error")):
        if isinstance(part.get(name), str):
            part[name] = part[name][:_HEAD]
    spec.pop("systemPrompt", None)
    spec.pop("history", None)
    return run


def _order(row: Row) -> tuple[int, float, Key]:
    # What ended last is nearest; what began first has waited longest.
    when = -row.ended.timestamp() if row.ended else row.began.timestamp()
    return row.rank, when, row.key


def _row(run: Object, approval: Object | None) -> Row:
    spec, status = run.get("spec") or {}, run.get("status") or {}
    usage = status.get("tokenUsage") or {}
    ended = status.get("completedAt")
    return Row(
        key_of(run),
        run["metadata"]["uid"],
        spec.get("instanceRef") or "",
        phase_of(run),
        _words(run, approval),
        int(status.get("steps") or 0),
        int(usage.get("totalTokens") or 0),
        _time(run["metadata"].get("creationTimestamp")),
        _time(ended) if ended and has_ended(run) else None,
        approval["metadata"]["name"] if approval and not has_ended(run) else "",
        bool(spec.get("suspend")),
    )


def _words(run: Object, approval: Object | None) -> str:
    """The one thing to know: what is asked, why it waits, what went wrong, else what it does."""
    spec, status = run.get("spec") or {}, run.get("status") or {}
    if has_ended(run):
        return str(status.get("error") or status.get("result") or spec.get("task") or "")
    if approval:
        call = approval["spec"]
        return f"asks: {call['tool']}" + (f" in {call['target']}" if call.get("target") else "")
    frozen = find(status.get("conditions"), "Frozen")
    if frozen and frozen["status"] == "True":
        return f"frozen: {frozen.get('message') or ''}"
    if status.get("phase") == "Queued":
        queue = status.get("queue") or {}
        return f"waits: {queue.get('reason') or status.get('reason') or ''}"
    return str(spec.get("task") or "")


def _time(text: str | None) -> datetime:
    return parse_time(text) if text else datetime.now(UTC)
