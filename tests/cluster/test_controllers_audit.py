"""What the controllers put on the record of a run, and where the API is anchored to it."""

import io
import json
from collections.abc import Callable
from typing import Any

from cluster.control_support import STARTED, STEP, TERMINAL, Control, control, ns
from sympozium.bus.audit.file import Verified, verify
from sympozium.bus.audit.store import Store
from sympozium.bus.connection import Reconnections, connect
from sympozium.bus.keyring import READER_INBOX
from sympozium.bus.subjects import RunRef
from sympozium.testing.client import Object, phase
from sympozium.testing.resources import AGENT_RUN, JOB

__all__ = ["control", "ns"]


def record(control: Control, run: Object) -> list[Object]:
    return [json.loads(line) for line in _lines(control, run)]


def verified(control: Control, run: Object, head: str) -> Verified:
    text = b"".join(line + b"\n" for line in _lines(control, run))
    return verify(io.BytesIO(text), key=control.bus.keyring.record_public, head=head)


def _lines(control: Control, run: Object) -> list[bytes]:
    meta = run["metadata"]
    ref = RunRef(meta["namespace"], meta["name"], meta["uid"])

    async def read() -> list[bytes]:
        user = control.bus.keyring.reader_user()
        connection = await connect(control.bus.url, user, name="reader", inbox=READER_INBOX)
        found = [line.data async for line in Store(connection, Reconnections()).lines(ref.audit)]
        await connection.close()
        return found

    lines: list[bytes] = control.loop.run(read())
    return lines


def closed(run: Object) -> bool:
    conditions = (run.get("status") or {}).get("conditions") or ()
    return phase(run) in TERMINAL and any(c["type"] == "CleanedUp" for c in conditions)


def wait(control: Control, ns: str, condition: Callable[[Object], bool] = closed) -> Any:
    return control.wait_run("r", ns, condition)


def test_the_record_of_a_run_is_whole_and_the_status_names_its_end(control: Control, ns: str) -> None:
    control.instance(ns)
    control.run(ns)
    pending = wait(control, ns, lambda run: bool((run.get("status") or {}).get("jobName")))
    assert pending["status"]["audit"]["entries"] == 2
    control.succeed("r", ns)
    run = wait(control, ns)
    found = verified(control, run, run["status"]["audit"]["hash"])
    assert found.entries == run["status"]["audit"]["entries"]
    said = record(control, run)
    assert [e["kind"] for e in said] == [
        "run.created", "run.admitted", "attempt.started", "attempt.result", "run.ended",
    ]  # fmt: skip
    admitted, ended = said[1]["data"], said[-1]["data"]
    assert (admitted["policy"]["name"], admitted["layers"][0]["source"]) == ("default-policy", "instance")
    assert (ended["phase"], ended["reason"], ended["usage"]["totalTokens"]) == ("Succeeded", "Completed", 120)
    assert "all well" not in json.dumps(said)


def test_a_run_that_never_started_has_a_record_too(control: Control, ns: str) -> None:
    control.run(ns, instanceRef="nobody")
    run = wait(control, ns)
    verified(control, run, run["status"]["audit"]["hash"])
    assert [e["kind"] for e in record(control, run)] == ["run.created", "run.ended"]
    assert record(control, run)[-1]["data"]["reason"] == "PlanFailed"


def test_a_deleted_run_loses_its_transcript_and_not_its_record(control: Control, ns: str) -> None:
    control.instance(ns)
    control.run(ns, cleanup="keep")
    control.running("r", ns)
    control.say("r", ns, "agent", STARTED, STEP)
    run = wait(control, ns, lambda run: (run.get("status") or {}).get("steps") == 1)
    control.delete(AGENT_RUN, "r", ns)
    control.wait_gone(JOB, "r", ns)
    control.reap(ns, "r")
    control.wait_gone(AGENT_RUN, "r", ns)
    said = record(control, run)
    assert [e["kind"] for e in said] == ["run.created", "run.admitted", "attempt.started", "run.ended"]
    assert said[-1]["data"]["phase"] == "Deleted"
    verified(control, run, said[-1]["hash"])


def test_killed_controllers_go_on_where_the_record_stands(control: Control, ns: str) -> None:
    control.instance(ns)
    control.run(ns)
    wait(control, ns, lambda run: bool((run.get("status") or {}).get("jobName")))
    control.running("r", ns)
    control.say("r", ns, "agent", STARTED)
    control.stop_controllers()
    control.say("r", ns, "agent", STARTED)
    control.start_controllers()
    control.succeed("r", ns)
    run = wait(control, ns)
    verified(control, run, run["status"]["audit"]["hash"])
    kinds = [e["kind"] for e in record(control, run)]
    assert kinds == ["run.created", "run.admitted", *["attempt.started"] * 3, "attempt.result", "run.ended"]
