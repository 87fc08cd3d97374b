"""What the record costs a call: two entries (intent and outcome), built, signed, stored, acknowledged by a real nats-server.

Wall time is what a message of a run waits, one run alone; CPU is what the controllers spend, with 16 runs at once.
"""

import asyncio
import io
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from bench.table import head, row
from sympozium.bus import messages
from sympozium.bus.admin import Admin
from sympozium.bus.audit.file import verify
from sympozium.bus.audit.store import Store
from sympozium.bus.history import Stored
from sympozium.bus.keyring import Keyring
from sympozium.bus.messages import Message
from sympozium.bus.server import prepare
from sympozium.bus.subjects import RunRef
from sympozium.up.components import tool
from sympozium.up.ports import pick

_RUNS, _CALLS, _AT_ONCE = 5, 100, 16
_TIME = "2026-11-27T08:00:00Z"
_DIGEST = "sha256:" + 64 * "a"
_INTENT = {
    "callId": "c", "tool": "execute_command", "target": "shell", "args": {"command": "kubectl get pods -A"},
    "argsDigest": _DIGEST, "verdict": {"action": "allow", "rule": "default-policy: toolGating.rules[3]", "reason": "allowed"},
}  # fmt: skip
_OUTCOME = {
    "callId": "c", "ok": True, "isError": False, "summary": "s", "bytes": 100, "truncated": False, "durationMs": 5,
    "resultDigest": _DIGEST,
}  # fmt: skip


@asynccontextmanager
async def _bus() -> AsyncIterator[Admin]:
    with tempfile.TemporaryDirectory() as directory:
        keyring, port = Keyring.generate(), pick(set())
        config = prepare(keyring, Path(directory), port)
        words = [tool("nats-server"), "-c", str(config)]
        server = await asyncio.create_subprocess_exec(*words, stderr=asyncio.subprocess.DEVNULL)
        try:
            admin = await Admin.open(f"nats://127.0.0.1:{port}", keyring)
            yield admin
            await admin.close()
        finally:
            server.terminate()
            await server.wait()


async def _calls(admin: Admin, run: RunRef, count: int) -> None:
    await admin.recorder.open(run, {"instance": "i"}, time=_TIME)
    for n in range(count):
        for place, (kind, data) in enumerate((("tool.intent", _INTENT), ("tool.outcome", _OUTCOME))):
            seq = 2 * n + place + 1
            await admin.recorder.take(run, Stored(seq, Message(kind, run, "tools", "e", seq, data)))


async def _measure() -> None:
    alone, spent, offline = [], [], []
    async with _bus() as admin:
        for turn in range(_RUNS):
            began = time.perf_counter()
            await _calls(admin, RunRef("bench", "alone", f"a{turn}"), _CALLS)
            alone.append((time.perf_counter() - began) / _CALLS * 1000)
            began = time.process_time()
            async with asyncio.TaskGroup() as group:
                for n in range(_AT_ONCE):
                    group.create_task(_calls(admin, RunRef("bench", f"r{n}", f"b{turn}"), _CALLS))
            spent.append((time.process_time() - began) / _CALLS / _AT_ONCE * 1000)
        store: Store = admin.recorder._store  # noqa: SLF001 - what an exporter reads
        text = b"".join(
            [line.data + b"\n" async for line in store.lines(RunRef("bench", "alone", "a0").audit)]
        )
        for _ in range(_RUNS):
            began = time.perf_counter()
            found = verify(
                io.BytesIO(text),
                key=messages.public_text(admin.keyring.record_key.public_key()),
                is_open=True,
            )
            offline.append((time.perf_counter() - began) / found.entries * 1e6)
    print(row("two entries of a call, one run alone: wall", alone, "ms"))
    print(row("two entries of a call: CPU of the controllers", spent, "ms", 1.0))
    print(row("verify one entry of a file", offline, "us"))


def main() -> None:
    print(head(f"the record, {_CALLS} calls", _RUNS))
    with suppress(KeyboardInterrupt):
        asyncio.run(_measure())
