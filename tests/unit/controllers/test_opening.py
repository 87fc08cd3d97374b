"""What a run begins with: given in words, or read from the record of another run."""

from typing import Any

import pytest

from sympozium.api import AgentRun
from sympozium.api.conversation import Turn
from sympozium.controllers.run.opening import Openings, SourceGoneError
from sympozium.controllers.run.plan import PlanError
from sympozium.controllers.run.port import BusError, Ref
from unit.controllers.make import run
from unit.controllers.memorybus import MemoryBus


class Runs:
    """The API: runs by name."""

    def __init__(self, *runs: AgentRun) -> None:
        self.runs = {run.name: run for run in runs}

    async def find(self, resource: Any, name: str, namespace: str) -> dict[str, Any] | None:
        found = self.runs.get(name)
        return found.to_json() if found and found.namespace == namespace else None


def ref(name: str) -> Ref:
    return Ref("team", name, f"uid-{name}")


def fork(name: str = "f", source: str = "s", step: int = 1, **spec: Any) -> AgentRun:
    return run(name, forkFrom={"runName": source, "step": step, "uid": f"uid-{source}"}, **spec)


def say(bus: MemoryBus, name: str, step: int, text: str = "", *calls: tuple[str, str, str]) -> None:
    usage = {"inputTokens": 1, "outputTokens": 1}
    made = [{"id": i, "name": n, "arguments": a} for i, n, a in calls]
    bus.say(ref(name), "step.started", step=step)
    bus.say(
        ref(name), "model.message", step=step, text=text, toolCalls=made, usage=usage, finishReason="stop"
    )


def came(bus: MemoryBus, name: str, call: str, summary: str, **more: Any) -> None:
    base = {"ok": True, "isError": False, "bytes": len(summary), "truncated": False, "durationMs": 1}
    bus.say(ref(name), "tool.outcome", callId=call, summary=summary, **{**base, **more})


def source(bus: MemoryBus) -> None:
    bus.say(ref("s"), "run.started", model="m", provider="p", tools=[])
    say(bus, "s", 1, "I look.", ("1-a", "ls", '{"path": "/"}'), ("2-b", "cat", ""))
    came(bus, "s", "1-a", "etc")
    came(bus, "s", "2-b", "no such file", isError=True, ok=False)
    say(bus, "s", 2, "It is empty.")


async def begin(
    bus: MemoryBus, asked: AgentRun, *others: AgentRun
) -> tuple[list[tuple[str, str]], str | None]:
    opening = await Openings(Runs(*others), bus).of(asked)  # type: ignore[arg-type]  # only `find` is used
    return [(turn.role, turn.content) for turn in opening.history], opening.task


async def test_a_history_in_words_comes_before_the_task() -> None:
    history = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}]
    found = await begin(MemoryBus(), run(history=history))
    assert found == ([("user", "hello"), ("assistant", "hi")], "look at the pods")


async def test_a_fork_begins_with_what_was_said_up_to_its_step() -> None:
    bus = MemoryBus()
    source(bus)
    opening = await Openings(Runs(run("s")), bus).of(fork())  # type: ignore[arg-type]
    assert opening.task is None
    asked, answer, *outcomes = opening.history
    assert asked == Turn(role="user", content="look at the pods")
    assert [(c.id, c.name, c.arguments) for c in answer.calls] == [
        ("was-1-a", "ls", '{"path": "/"}'),
        ("was-2-b", "cat", "{}"),
    ]
    assert [(o.call_id, o.content) for o in outcomes] == [
        ("was-1-a", "etc"),
        ("was-2-b", "error: no such file"),
    ]


async def test_another_task_is_the_next_message() -> None:
    bus = MemoryBus()
    source(bus)
    history, task = await begin(bus, fork(step=2, task="and /tmp?"), run("s"))
    assert (history[-1], task) == (("assistant", "It is empty."), "and /tmp?")


async def test_an_answer_is_not_gone_on_from_without_a_task() -> None:
    bus = MemoryBus()
    source(bus)
    with pytest.raises(PlanError, match="step 2 of AgentRun s is its answer"):
        await begin(bus, fork(step=2), run("s"))


async def test_the_last_attempt_counts() -> None:
    bus = MemoryBus()
    source(bus)
    bus.say(ref("s"), "run.started", model="m", provider="p", tools=[])
    say(bus, "s", 1, "Another try.", ("1-a", "ls", "{}"))
    history, _ = await begin(bus, fork(), run("s"))
    assert [text for _, text in history[1:]] == [
        "Another try.",
        "error: no outcome of this call is on the record: it had not ended",
    ]
    with pytest.raises(PlanError, match="in 1 steps of its last attempt, and not in step 2"):
        await begin(bus, fork(step=2, task="x"), run("s"))


async def test_what_the_record_does_not_have_is_said() -> None:
    bus = MemoryBus()
    bus.say(ref("s"), "run.started", model="m", provider="p", tools=[])
    cut = '{"text": "aaa\n[... 9000 of 9100 characters left out ...]\nb"}'
    say(bus, "s", 1, "", ("1-a", "write", cut), ("2-b", "write", "{oops"))
    came(bus, "s", "1-a", "head\n[... 7000 of 9000 characters left out ...]\ntail", bytes=9000)
    came(bus, "s", "2-b", "malformed", isError=True)
    opening = await Openings(Runs(run("s")), bus).of(fork())  # type: ignore[arg-type]
    _, answer, first, _ = opening.history
    assert '"shortened"' in answer.calls[0].arguments
    assert answer.calls[1].arguments == '{"malformed": "{oops"}'
    assert first.content.endswith("[shortened: the record keeps this of 9000 bytes]")


async def test_a_fork_of_a_fork_begins_where_that_one_did() -> None:
    bus = MemoryBus()
    source(bus)
    middle = fork("m", task="count them")
    bus.say(ref("m"), "run.started", model="m", provider="p", tools=[])
    say(bus, "m", 1, "", ("1-a", "wc", "{}"))
    came(bus, "m", "1-a", "42")
    opening = await Openings(Runs(run("s"), middle), bus).of(fork(source="m", task="count them"))  # type: ignore[arg-type]
    said = [turn.content for turn in opening.history if turn.role != "assistant"]
    assert said == ["look at the pods", "etc", "error: no such file", "count them", "42"]
    assert opening.task is None


@pytest.mark.parametrize("there", [None, "another", "silent"])
async def test_a_source_that_is_gone(there: str | None) -> None:
    bus = MemoryBus()
    runs = []
    if there == "another":
        source(bus)
        bus.history[Ref("team", "s", "uid-new")] = bus.history[ref("s")]
        runs = [run("s").model_copy(update={"metadata": run("s").metadata.replaced(uid="uid-new")})]
    if there == "silent":
        runs = [run("s")]
    with pytest.raises(SourceGoneError) as caught:
        await begin(bus, fork(), *runs)
    assert caught.value.reason == "ForkSourceGone"


async def test_a_history_that_lost_its_beginning() -> None:
    bus = MemoryBus()
    say(bus, "s", 2, "It is empty.")
    with pytest.raises(SourceGoneError, match="said in step 1 is not in its history any more"):
        await begin(bus, fork(step=2, task="x"), run("s"))


async def test_a_source_of_another_instance() -> None:
    with pytest.raises(PlanError, match="is of instance other"):
        await begin(MemoryBus(), fork(), run("s", instanceRef="other"))


async def test_a_bus_that_is_away_is_waited_for() -> None:
    bus = MemoryBus()
    source(bus)
    bus.connected = False
    with pytest.raises(BusError):
        await begin(bus, fork(), run("s"))
