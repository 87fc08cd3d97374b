"""Server and client over a real socket."""

import asyncio
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sympozium.shell import protocol
from sympozium.shell.client import ShellClient, ShellError, ShellLostError
from sympozium.shell.server import ShellServer


@pytest.fixture
def server(tmp_path: Path):
    (tmp_path / "ws").mkdir()
    server = ShellServer(
        path=str(tmp_path / "s"), workspace=str(tmp_path / "ws"), before_command=lambda _: None
    )
    thread = threading.Thread(target=server.serve)
    thread.start()
    yield tmp_path
    server.stop()
    thread.join(10)
    assert not thread.is_alive()
    server.close()
    assert not (tmp_path / "s").exists()


async def test_a_file_is_written_read_and_seen_by_a_command(server: Path) -> None:
    client = ShellClient(str(server / "s"))
    await client.call("write_file", path="d/f", content="hello\n")
    assert (await client.call("read_file", path="d/f"))["text"] == "hello\n"
    result = await client.call("exec", command="cat f; pwd", workdir="d")
    assert result["stdout"] == f"hello\n{server}/ws/d\n"
    assert [e["name"] for e in (await client.call("list_directory", path="."))["entries"]] == ["d"]
    await client.call("edit_file", path="d/f", edits=[{"old": "hello", "new": "bye"}])
    assert (server / "ws/d/f").read_text() == "bye\n"


@pytest.mark.parametrize(
    ("operation", "arguments", "says"),
    [
        ("read_file", {"path": "../s"}, "leaves the workspace"),
        ("exec", {"command": "true", "workdir": "/"}, "outside the workspace"),
        ("exec", {"command": "true", "timeout": -1}, "above 0"),
        ("exec", {}, "wrong arguments"),
        ("read_file", {"path": "x", "colour": "red"}, "wrong arguments"),
        ("format_disk", {}, "unknown operation"),
    ],
)
async def test_refusals_are_words(server: Path, operation: str, arguments: dict, says: str) -> None:
    with pytest.raises(ShellError, match=says):
        await ShellClient(str(server / "s")).call(operation, **arguments)


async def test_cancelling_a_call_ends_its_command(server: Path) -> None:
    marker = server / "ws/alive"
    client = ShellClient(str(server / "s"))
    task = asyncio.create_task(
        client.call("exec", command="mkfifo p; echo x > alive; cat p; echo y >> alive")
    )
    async with asyncio.timeout(60):
        while not marker.exists():
            await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(60):
        while _readers(server / "ws/p"):
            await asyncio.sleep(0.01)
    assert marker.read_text() == "x\n"


async def test_a_shell_that_stops_is_said(server: Path) -> None:
    with pytest.raises(ShellLostError, match="does not answer"):
        await ShellClient(str(server / "nothing")).call("read_file", path="x")


async def test_nonsense_on_the_wire_is_answered(server: Path) -> None:
    for data, says in ((struct.pack(">I", 1 << 31), b"limit"), (struct.pack(">I", 3) + b"abc", b"not JSON")):
        reader, writer = await asyncio.open_unix_connection(str(server / "s"))
        writer.write(data)
        async with asyncio.timeout(60):
            assert says in await reader.read()
        writer.close()


def test_frames_round_trip_and_are_bounded() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(protocol.encode({"a": "ä\udc80"}))
        assert protocol.receive(theirs) == {"a": "ä\udc80"}
        ours.close()
        assert protocol.receive(theirs) is None
    with pytest.raises(protocol.ProtocolError, match="above the limit"):
        protocol.encode({"a": "x" * protocol.MAX_FRAME})


def test_the_program_ends_on_sigterm_and_needs_only_the_standard_library(tmp_path: Path) -> None:
    code = (
        "import sys, sympozium.shell.server as s; "
        "print(sorted({m.split('.')[0] for m in sys.modules} - set(sys.stdlib_module_names)))"
    )
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True,
                          env={"PYTHONPATH": str(Path(__file__).parents[3] / "src")})  # fmt: skip
    assert done.stdout.strip() == "['__main__', 'sympozium']"
    argv = [
        sys.executable,
        "-m",
        "sympozium.shell",
        "--socket",
        str(tmp_path / "s"),
        "--workspace",
        str(tmp_path),
    ]
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) as process:
        assert "listens" in process.stderr.readline()
        process.terminate()
        assert process.wait(10) == 0


def _readers(fifo: Path) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if entry.readlink() == fifo:
                found.append(int(entry.parts[2]))
        except (FileNotFoundError, PermissionError, ProcessLookupError):
            continue
    return found
