"""What survives the node."""

from pathlib import Path

from sympozium.node import state
from sympozium.node.objects import Object
from sympozium.node.status import Record

POD: Object = {"metadata": {"name": "p", "namespace": "n", "uid": "u"},
               "spec": {"initContainers": [{"name": "init"}], "containers": [{"name": "main"}]}}  # fmt: skip
RUNNING = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}


def test_a_new_pod(tmp_path: Path) -> None:
    made = state.load(tmp_path / "state.json", POD, 3)
    assert made.slot == 3
    assert set(made.records) == {"init", "main"}
    assert state.slot_of(tmp_path / "state.json") is None


def test_what_ran_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    made = state.load(path, POD, 3)
    made.records["init"].state = {"terminated": {"exitCode": 0}}
    made.records["main"] = Record(
        "main", attempt=2, state=RUNNING, ready=True, started=True, container_id="bwrap://x"
    )
    made.save(path)
    again = state.load(path, POD, 9)
    assert again.slot == state.slot_of(path) == 3
    assert again.records["init"].state == {"terminated": {"exitCode": 0}}
    lost = again.records["main"]
    assert lost.terminated is not None
    assert (lost.terminated["exitCode"], lost.terminated["reason"]) == (137, "ContainerStatusUnknown")
    assert (lost.attempt, lost.ready, lost.started) == (2, False, False)


def test_an_attempt_counts_from_its_intent(tmp_path: Path) -> None:
    """Killed between the note and the start: the container may have run, so it is not run a second time."""
    path = tmp_path / "state.json"
    made = state.load(path, POD, 0)
    made.save(path, starting=("main", 0))
    assert made.records["main"].attempt == -1  # nothing is published that has not happened
    again = state.load(path, POD, 0)
    assert again.records["main"].attempt == 0
    assert again.records["main"].terminated is not None


def test_without_a_file_the_status_counts(tmp_path: Path) -> None:
    published = {**POD, "status": {
        "startTime": "2026-01-01T00:00:00Z",
        "initContainerStatuses": [{"name": "init", "state": {"terminated": {"exitCode": 0}}, "restartCount": 0}],
        "containerStatuses": [{"name": "main", "state": RUNNING, "restartCount": 4, "containerID": "bwrap://y"}],
    }}  # fmt: skip
    made = state.load(tmp_path / "state.json", published, 0)
    assert made.start_time == "2026-01-01T00:00:00Z"
    assert made.records["main"].attempt == 4
    assert made.records["main"].terminated is not None
    assert made.records["init"].terminated == {"exitCode": 0}


def test_a_broken_file_is_not_fatal(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text("{")
    assert state.load(path, POD, 1).slot == 1
