"""Commands: what they print, how they end, and that nothing of them stays."""

import os
import socket
import threading
import time
from pathlib import Path

import pytest

from sympozium.shell import execute
from sympozium.shell.render import render


def sh(command: str, **more):
    return execute.run(["/bin/sh", "-c", command], cwd=more.pop("cwd", "/"), **more)


def test_streams_and_exit_code() -> None:
    result = sh("echo out; echo err >&2; exit 3")
    assert (result["stdout"], result["stderr"], result["exitCode"]) == ("out\n", "err\n", 3)
    assert render(result) == ("out\n[stderr]\nerr\n[exit code 3]", True)


def test_success_without_output_is_said() -> None:
    assert render(sh("true")) == ("[no output, exit code 0]", False)


def test_a_signal_is_named() -> None:
    result = sh("kill -9 $$")
    assert (result["exitCode"], result["signal"]) == (137, "SIGKILL")
    assert "SIGKILL" in render(result)[0]


def test_standard_input_is_empty() -> None:
    assert sh("cat; echo end")["stdout"] == "end\n"


def test_output_is_kept_at_both_ends_and_the_cut_is_counted() -> None:
    result = sh("i=0; while [ $i -lt 20000 ]; do echo line$i; i=$((i+1)); done", max_output=1000)
    assert result["truncated"] is True
    assert result["stdout"].startswith("line0\nline1\n")
    assert result["stdout"].endswith("line19999\n")
    missing = result["stdoutBytes"] - 1000
    assert f"[... {missing} of {result['stdoutBytes']} bytes left out ...]" in result["stdout"]


def test_bytes_that_are_no_text_are_shown_as_such() -> None:
    assert sh(r"printf '\377ok'")["stdout"] == "\ufffdok"


def test_a_deadline_ends_the_whole_group(tmp_path: Path) -> None:
    result = sh(f"echo $$ > {tmp_path}/pid; sleep 300 & wait", timeout=0.3)
    assert (result["timedOut"], result["exitCode"]) == (True, None)
    assert "killed" in render(result)[0]
    assert _group_ends(int((tmp_path / "pid").read_text()))


def test_a_command_that_ignores_sigterm_is_killed(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(execute, "GRACE", 0.1)
    result = sh(f"trap '' TERM; echo $$ > {tmp_path}/pid; while :; do sleep 300; done", timeout=0.3)
    assert result["timedOut"] is True
    assert _group_ends(int((tmp_path / "pid").read_text()))


def test_background_processes_end_with_the_command(tmp_path: Path) -> None:
    result = sh(f"echo $$ > {tmp_path}/pid; sleep 300 & echo started")
    assert result["stdout"] == "started\n"
    assert _group_ends(int((tmp_path / "pid").read_text()))


def test_a_caller_that_hangs_up_ends_the_command(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    raised: list[BaseException] = []

    def call() -> None:
        try:
            sh(f"echo $$ > {tmp_path}/pid; exec sleep 300", peer=theirs)
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        assert thread.is_alive()
    ours.close()
    thread.join(10)
    theirs.close()
    assert isinstance(raised[0], ConnectionAbortedError)
    assert _group_ends(int((tmp_path / "pid").read_text()))


def test_a_program_that_does_not_exist() -> None:
    with pytest.raises(FileNotFoundError):
        execute.run(["/no/such/program"], cwd="/")


def _group_ends(group: int) -> bool:
    """SIGKILL is sent when the call returns; the kernel takes a moment."""
    deadline = time.monotonic() + 10
    while _group_lives(group):
        if time.monotonic() > deadline:
            return False
    return True


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    # A zombie that init has not reaped yet counts as a member, and is none.
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            return True
    return False
