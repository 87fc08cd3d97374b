"""What an event makes of a trigger: a run with its task, or nothing and why. Pure.

Events are written by whoever can make something fail, so they are data and nothing else: expressions over them are bounded,
what they give is put into the task as text, and a run has the policy of its instance, whatever its task says.

A run's name derives from the trigger, the key of the event and its occasion: however often an event is seen, by however
many processes, it makes one run.
"""

import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Final

from sympozium import durations
from sympozium.api.base import Object
from sympozium.api.meta import API_VERSION, LABEL_INSTANCE, LABEL_TRIGGER
from sympozium.api.trigger import SympoziumTrigger, TriggerSpec
from sympozium.names import derive, digest, label_value

if TYPE_CHECKING:
    from sympozium.cel.environment import Environment, Program

TASK: Final = 262_144
"""Characters of a task."""
COST: Final = 100_000
"""Of all expressions of a task together: many events at once must not keep the process from everything else."""
SECONDS: Final = 1.0
"""For all of them, too."""
PIECE: Final = 65_536
"""Characters of one value in a task."""
HOUR: Final = timedelta(hours=1)
_MOST_PIECES: Final = 64
_EXPRESSIONS: Final = 8192
"""Characters of all expressions of a task: compiling that many takes half a second."""
_MARK: Final = " [shortened]"


KEY_ANNOTATION: Final = "sympozium.ai/event-key"
"""On a run: digest of the key of the event that caused it."""
CAUSE_ANNOTATION: Final = "sympozium.ai/event"
"""On a run: the event, in a line."""


class TriggerError(Exception):
    """An expression that is wrong, or cannot be evaluated over this event. The text says which and why."""


class OtherEventError(TriggerError):
    """The sender has said of another event that it is this one."""


@dataclass(frozen=True, slots=True)
class Fired:
    """A run that the trigger made before."""

    key: str
    """Digest of the event's key."""
    at: datetime
    name: str = ""


@dataclass(frozen=True, slots=True)
class Happened:
    """An event. `occasion` tells two events of one key apart, and stays the same when one is seen again."""

    event: Mapping[str, Any]
    default_key: str
    occasion: str
    at: datetime
    once: bool = False
    """The occasion is the sender's word for one event, whatever its key."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Either `name`, `key` and `task` of the run to make, or `suppressed`: why there is none, in words."""

    name: str = ""
    key: str = ""
    task: str = ""
    suppressed: str = ""
    again: bool = False
    """The run is there already."""


@dataclass(slots=True)
class Budget:
    """What is left for the expressions of one task."""

    cost: int = COST
    until: float = field(default_factory=lambda: time.monotonic() + SECONDS)


@dataclass(slots=True)
class Template:
    """A task with its expressions."""

    texts: list[str] = field(default_factory=list)
    programs: list["Program"] = field(default_factory=list)

    @classmethod
    def parse(cls, task: str) -> "Template":
        """Raises TriggerError that names the expression."""
        made, end, length = cls(), 0, 0
        for start, close in _pieces(task):
            text = task[start + 2 : close].strip()
            length += len(text)
            if len(made.programs) >= _MOST_PIECES:
                raise TriggerError(f"more than {_MOST_PIECES} expressions")
            if length > _EXPRESSIONS:
                raise TriggerError(f"the expressions have more than {_EXPRESSIONS} characters together")
            made.texts.append(task[end:start])
            made.programs.append(compiled(text))
            end = close + 2
        made.texts.append(task[end:])
        return made

    def render(self, event: Mapping[str, Any]) -> str:
        """The task. What is too long is cut, visibly. Raises TriggerError."""
        parts, budget = [self.texts[0]], Budget()
        for program, text in zip(self.programs, self.texts[1:], strict=True):
            parts += [_cut(_text(evaluate(program, event, budget)), PIECE), text]
        return _cut("".join(parts), TASK)


def decide(
    trigger: SympoziumTrigger, happened: Happened, fired: Sequence[Fired], *, now: datetime
) -> Outcome:
    """What to do about an event. `fired` has the runs of the last hour or cooldown. Raises TriggerError."""
    spec = trigger.spec
    if spec.suspend:
        return Outcome(suppressed="the trigger is suspended")
    key = key_of(spec, happened)
    mark = digest(key, length=16)
    name = run_name(trigger, "" if happened.once else mark, happened.occasion)
    for one in fired if happened.once else ():
        if one.name == name:
            return same(Outcome(name, mark), one)
    cooldown = timedelta(seconds=durations.parse(spec.cooldown))
    last = max((one.at for one in fired if one.key == mark), default=None)
    if last is not None and now - last < cooldown:
        return Outcome(suppressed=f"within {spec.cooldown} of the last run about {_cut(key, 200)}")
    recent = sum(1 for one in fired if now - one.at < HOUR)
    if recent >= spec.max_runs_per_hour:
        return Outcome(suppressed=f"{recent} runs within an hour, which is the most (maxRunsPerHour)")
    task = _template(spec.task).render(happened.event)
    if not task.strip():
        raise TriggerError("spec.task: nothing is left of it with this event")
    return Outcome(name, mark, task)


def same(outcome: Outcome, fired: Fired) -> Outcome:
    """The run that an event has made before. Raises OtherEventError when another event has."""
    if fired.key != outcome.key:
        words = f"run {fired.name} was made for another event of this Idempotency-Key: take a new one for each event"
        raise OtherEventError(words)
    return replace(outcome, again=True)


def key_of(spec: TriggerSpec, happened: Happened) -> str:
    """The key of an event. Raises TriggerError."""
    if spec.dedupe_key is None:
        return happened.default_key
    return _text(evaluate(compiled(spec.dedupe_key), happened.event, Budget()))


def run_name(trigger: SympoziumTrigger, key: str, occasion: str) -> str:
    return derive(trigger.name, digest(trigger.metadata.uid, key, occasion))


def path(namespace: str, name: str) -> str:
    """Where requests to a trigger go, at the API server."""
    return f"/hooks/{namespace}/{name}"


def fired_by(run: Object) -> Fired:
    """A run of a trigger, as its next decision sees it."""
    meta = run["metadata"]
    at = datetime.fromisoformat(meta["creationTimestamp"])
    return Fired((meta.get("annotations") or {}).get(KEY_ANNOTATION, ""), at, meta["name"])


def manifest(trigger: SympoziumTrigger, outcome: Outcome, cause: str) -> Object:
    """The run of an event. It has no owner: deleting a trigger deletes no run."""
    return {
        "apiVersion": API_VERSION,
        "kind": "AgentRun",
        "metadata": {
            "name": outcome.name,
            "namespace": trigger.namespace,
            "labels": {
                LABEL_TRIGGER: label_value(trigger.name),
                LABEL_INSTANCE: label_value(trigger.spec.instance_ref),
            },
            "annotations": {KEY_ANNOTATION: outcome.key, CAUSE_ANNOTATION: cause[:500]},
        },
        "spec": {
            "instanceRef": trigger.spec.instance_ref,
            "task": outcome.task,
            "trigger": {"kind": "Trigger", "name": trigger.name},
        },
    }


def problems(spec: TriggerSpec) -> list[tuple[str, str]]:
    """(field, what is wrong with it) of the expressions of a trigger."""
    found = []
    try:
        Template.parse(spec.task)
    except TriggerError as error:
        found.append(("spec.task", str(error)))
    if spec.dedupe_key is not None:
        try:
            compiled(spec.dedupe_key)
        except TriggerError as error:
            found.append(("spec.dedupeKey", str(error)))
    return found


@lru_cache(maxsize=32)
def _template(task: str) -> Template:
    """Kept, since each event of a trigger needs it, and compiling costs more than evaluating. Raises TriggerError."""
    return Template.parse(task)


@lru_cache(maxsize=32)
def compiled(text: str) -> "Program":
    """Raises TriggerError with the place of the mistake."""
    from sympozium.cel.errors import CelError

    try:
        return _environment().compile(text)
    except CelError as error:
        raise TriggerError(f"{_cut(text, 80)}: {_line(error)}") from error


def evaluate(program: "Program", event: Mapping[str, Any], budget: Budget) -> Any:
    """The value over an event, at the cost of a budget. Raises TriggerError."""
    from sympozium.cel.errors import CelError

    seconds = max(0.0, budget.until - time.monotonic())
    try:
        value, cost = program.evaluate({"event": dict(event)}, budget.cost, seconds)
    except CelError as error:
        raise TriggerError(f"{_cut(program.text, 80)}: {_line(error)}") from error
    budget.cost -= cost
    return value


def _pieces(task: str) -> Iterator[tuple[int, int]]:
    """Where expressions are: (place of `{{`, place of `}}`). No pattern, which would look for each `{{` to the end of a task."""
    end = 0
    while (start := task.find("{{", end)) >= 0 and (close := task.find("}}", start + 2)) >= 0:
        yield start, close
        end = close + 2


def fit(event: Any) -> str:
    """Why JSON from outside cannot be an event, in words; empty when it can. Walks without recursion."""
    if not isinstance(event, dict):
        return "it is no JSON object"
    pending: list[Any] = [event]
    level = count = 0
    while pending:
        count += len(pending)
        if level > 64 or count > 100_000:
            return "it is nested deeper than 64 levels, or has more than 100000 values"
        below: list[Any] = []
        for value in pending:
            if (isinstance(value, int) and not -(2**63) <= value < 2**63) or (
                isinstance(value, float) and not math.isfinite(value)
            ):
                return "it has a number beyond 64 bits, or none"
            below += value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        pending, level = below, level + 1
    return ""


@cache
def _environment() -> "Environment":
    from sympozium.cel.environment import Environment
    from sympozium.cel.types import DYN

    return Environment({"event": DYN})


def _text(value: Any) -> str:
    """A value as text: strings as they are, everything else as JSON where it is, else as CEL writes it."""
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        return str(value)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - len(_MARK)] + _MARK


def _line(error: Exception) -> str:
    return str(error).split("\n", 1)[0].removeprefix("ERROR: ")
