"""A tool server that is killed before or after each step of its journal: what was begun happens once at most, all has an end."""

import asyncio
import importlib.util
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from sympozium.mcpsocket import result_text
from sympozium.tools.journal import INTERRUPTED, Decision

UNIT = Path(__file__).parents[1] / "unit/tools"
CHILD = Path(__file__).with_name("tools_killed.py")


def load(name: str, path: Path) -> ModuleType:
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec
        assert spec.loader
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


parts = load("tools_parts", UNIT / "parts.py")
child = load("tools_killed", CHILD)

# Step of the journal, and where in it -> whether a person is asked again, what the call says in the end, its effects.
CASES = {
    ("receive", "before"): (True, "x", "x\n"),
    ("receive", "after"): (True, "x", "x\n"),
    ("wait", "before"): (True, "x", "x\n"),
    ("wait", "after"): (True, "x", "x\n"),
    ("decide", "before"): (True, "x", "x\n"),
    ("decide", "after"): (False, "x", "x\n"),
    ("start", "before"): (False, "x", "x\n"),
    ("start", "after"): (False, INTERRUPTED, ""),
    ("finish", "before"): (False, INTERRUPTED, "x\n"),
    ("finish", "after"): (False, "x", "x\n"),
    ("publish", "before"): (False, "x", "x\n"),
}


@pytest.mark.parametrize(("step", "when"), CASES)
async def test_killed(tmp_path: Path, step: str, when: str) -> None:
    asked_again, says, effects = CASES[step, when]
    with parts.shell(tmp_path) as workspace:
        (tmp_path / "tools_parts.py").write_text((UNIT / "parts.py").read_text())
        environ = {**os.environ, "PYTHONPATH": str(tmp_path)}
        process = await asyncio.to_thread(
            subprocess.run, [sys.executable, str(CHILD), str(tmp_path), step, when], env=environ, check=False,
            capture_output=True, timeout=60,
        )  # fmt: skip
        assert process.returncode == -signal.SIGKILL, process.stderr
        after = parts.parts(tmp_path, parts.config(tmp_path, **child.ASK))
        await after.calls.recover()
        task = asyncio.create_task(after.calls.call(**child.CALL))
        await parts.until(lambda: task.done() or after.record.requests)
        assert bool(after.record.requests) is asked_again
        if asked_again:
            await after.approvals.decided(Decision("c", after.record.requests[0]["argsDigest"], "Approved"))
        assert result_text(await task) == says
        log = workspace / "log"
        assert (log.read_text() if log.exists() else "") == effects
        assert after.journal.entry("c").published is True
        assert len(after.record.of("tool.outcome")) == 1
        again = await after.calls.call(**child.CALL)
        assert result_text(again) == says
        assert (log.read_text() if log.exists() else "") == effects
        after.journal.close()
