"""The lock tells whether a supervisor lives; the file tells what a dead one left."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sympozium.up import state
from sympozium.up.commands import UpError, down, up
from sympozium.up.paths import DataDir
from sympozium.up.processes import kill_stale, start_time


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    data = DataDir(tmp_path / "data")
    data.make()
    return data


def test_only_one_holds_a_data_directory(data: DataDir) -> None:
    assert not state.is_running(data)
    with state.hold(data):
        assert state.is_running(data)
        with pytest.raises(state.AlreadyRunningError), state.hold(data):
            pass
    assert not state.is_running(data)


def test_a_killed_holder_leaves_no_lock(data: DataDir) -> None:
    code = (
        "import sys, time; from pathlib import Path; from sympozium.up import state; from sympozium.up.paths import DataDir\n"
        "with state.hold(DataDir(Path(sys.argv[1]))): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(data.root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert state.is_running(data)
        holder.kill()
    assert not state.is_running(data)


def test_what_was_written_is_read(data: DataDir) -> None:
    written = state.State(
        pid=1, started=2, version="v", ports={"api": 3}, children={"api": state.ChildState(4, 5, 6)}
    )
    written.write(data)
    assert state.read(data) == written
    assert data.state.stat().st_mode & 0o077 == 0


def test_a_pid_that_went_to_somebody_else_is_left_alone() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        started = start_time(process.pid)
        assert started is not None
        assert not kill_stale(process.pid, started + 1)
        assert process.poll() is None
        assert kill_stale(process.pid, started)
        assert process.wait() == -9
    assert start_time(process.pid) is None
    assert not kill_stale(process.pid, started)


def test_the_start_time_survives_a_strange_command_name(tmp_path: Path) -> None:
    program = tmp_path / "a) b (c"
    program.symlink_to("/bin/sleep")
    with subprocess.Popen([program, "60"]) as process:
        started = start_time(process.pid)
        process.kill()
    assert started is not None
    assert started >= (start_time(os.getpid()) or 0)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"pid": 1, "children": {"api": {"who": 1}}}'])
def test_a_damaged_file_is_said_with_the_cure(data: DataDir, text: str) -> None:
    data.state.write_text(text)
    with pytest.raises(state.DamagedError, match=r"up\.json is damaged .*: remove it"):
        state.read(data)
    with pytest.raises(UpError, match="damaged"):
        down(data.root)
    with pytest.raises(UpError, match="damaged"):
        up(data.root, port=0)
