"""Notes of agents: written once however often they are asked for, by several runs, beside what people write."""

import signal

from cluster.control_support import Control, control, ns
from sympozium.api import memory
from sympozium.kube.resources import CONFIG_MAPS
from sympozium.testing.client import Object

ANSWERED = "request.answered"
NAME = "sre-memory"
__all__ = ["control", "ns"]


def note(call: str, text: str, action: str = "append") -> tuple[str, Object]:
    return "memory", {"callId": call, "action": action, "text": text}


def asker(control: Control, ns: str, *runs: str, **settings: object) -> None:
    control.instance(ns, memory={"enabled": True, **settings})
    for run in runs or ("r",):
        control.run(ns, run)
        control.running(run, ns)


def text(control: Control, ns: str) -> str:
    return str(control.get(CONFIG_MAPS, NAME, ns)["data"][memory.KEY])


def test_asked_for_again_it_is_noted_once(control: Control, ns: str) -> None:
    asker(control, ns)
    control.say("r", ns, "tools", note("1-a", "the pod lies"))
    control.hear_all("r", ns, ANSWERED, 1)
    # Of the next attempt of the run, to a controller that has just come.
    control.stop_controllers(signal.SIGKILL)
    control.say("r", ns, "tools", note("1-a", "the pod lies"), note("2-b", "twice"))
    control.start_controllers()
    answers = control.hear_all("r", ns, ANSWERED, 3)
    assert all(answer["ok"] for answer in answers), answers
    assert text(control, ns) == "- the pod lies\n- twice\n"


def test_runs_of_one_agent_write_beside_each_other(control: Control, ns: str) -> None:
    asker(control, ns, "a", "b")
    control.say("a", ns, "tools", *(note(f"{i}-a", f"a{i}") for i in range(5)))
    control.say("b", ns, "tools", *(note(f"{i}-b", f"b{i}") for i in range(5)))
    for run in ("a", "b"):
        assert all(answer["ok"] for answer in control.hear_all(run, ns, ANSWERED, 5))
    assert sorted(text(control, ns).split()) == sorted(
        ["-"] * 10 + [f"{r}{i}" for r in "ab" for i in range(5)]
    )


def test_seeds_are_there_from_the_start_and_a_persons_words_stay(control: Control, ns: str) -> None:
    control.instance(ns, memory={"enabled": True, "seeds": ["look at nodes first"]})
    control.wait(CONFIG_MAPS, NAME, lambda _: True, ns)
    assert text(control, ns) == "- look at nodes first\n"
    control.patch(CONFIG_MAPS, NAME, {"data": {memory.KEY: "by hand\n"}}, ns)
    control.run(ns)
    control.running("r", ns)
    control.say("r", ns, "tools", note("1-a", "mine"))
    control.hear_all("r", ns, ANSWERED, 1)
    assert text(control, ns) == "by hand\n- mine\n"


def test_full_notes_are_refused_with_words(control: Control, ns: str) -> None:
    asker(control, ns, maxSizeKB=1)
    control.say("r", ns, "tools", note("1-a", "x" * 1100))
    [answer] = control.hear_all("r", ns, ANSWERED, 1)
    assert answer["ok"] is False
    assert "1024 are the most" in answer["text"]
    assert control.find(CONFIG_MAPS, NAME, ns) is None


def test_a_config_map_of_somebody_else_is_neither_read_nor_written(control: Control, ns: str) -> None:
    asker(control, ns)
    control.create(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": NAME, "namespace": ns},
            "data": {memory.KEY: "theirs"},
        }
    )
    control.say("r", ns, "tools", note("1-a", "mine"))
    [answer] = control.hear_all("r", ns, ANSWERED, 1)
    assert answer["ok"] is False
    assert "is not this agent's notes" in answer["text"]
    assert text(control, ns) == "theirs"
    control.run(ns, "next")
    status = control.wait_run("next", ns, "Failed")["status"]
    assert "is not this agent's notes" in status["error"]


def test_an_instance_without_memory_notes_nothing(control: Control, ns: str) -> None:
    control.instance(ns)
    control.run(ns)
    control.running("r", ns)
    control.say("r", ns, "tools", note("1-a", "mine"))
    [answer] = control.hear_all("r", ns, ANSWERED, 1)
    assert answer["ok"] is False
    assert control.find(CONFIG_MAPS, NAME, ns) is None
