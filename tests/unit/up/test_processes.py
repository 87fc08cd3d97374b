"""A child is restarted when it dies, stopped when asked, and dies with its supervisor."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sympozium.up import processes
from sympozium.up.processes import Child


async def _until(condition: object) -> None:
    async with asyncio.timeout(60):
        while not condition():  # type: ignore[operator]
            await asyncio.sleep(0.01)


async def test_a_child_that_dies_is_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_BACKOFF_FIRST", 0.01)
    seen: list[int | None] = []
    child = Child("c", ["sleep", "600"], tmp_path / "log")
    child.changed = lambda: seen.append(child.pid)
    await child.start()
    async with asyncio.TaskGroup() as group:
        group.create_task(child.run())
        first = child.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await _until(lambda: child.pid not in (None, first))
        assert child.restarts == 1
        assert child.last_exit == -9
        await child.stop()
    assert child.pid is None
    assert seen[0] == first


async def test_a_child_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    child = Child(
        "c", ["/bin/sh", "-c", "trap '' TERM; echo armed; while :; do sleep 1; done"], tmp_path / "log"
    )
    await child.start()
    async with asyncio.TaskGroup() as group:
        group.create_task(child.run())
        await _until(lambda: "armed" in child.tail())
        await child.stop(grace=0.1)
    assert child.last_exit == -9
    assert child.restarts == 0


async def test_a_program_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await Child("c", [str(tmp_path / "nothing")], tmp_path / "log").start()


async def test_a_child_dies_with_its_supervisor(tmp_path: Path) -> None:
    code = (
        "import asyncio, sys; from pathlib import Path; from sympozium.up.processes import Child\n"
        "async def main():\n"
        "    child = Child('c', ['sleep', '600'], Path(sys.argv[1])); await child.start(); print(child.pid, flush=True)\n"
        "    await child.run()\n"
        "asyncio.run(main())"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "log")], stdout=subprocess.PIPE, text=True
    ) as supervisor:
        assert supervisor.stdout is not None
        pid = int(supervisor.stdout.readline())
        supervisor.kill()

    def gone() -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            return True

    await _until(gone)
