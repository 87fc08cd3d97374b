"""What commands can open, asked of real processes under the real program; the other architecture's filter by an interpreter."""

import errno
import json
import os
import platform
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sympozium import bpf
from sympozium.node import host
from sympozium.shell import network, protocol

RECIPE = Path(__file__).parents[2] / "images/Containerfile"
ENTRY_POINT = next(line for line in RECIPE.read_text().splitlines() if '"sympozium.shell"]' in line)
PROGRAM = [sys.executable, *json.loads(ENTRY_POINT.removeprefix("ENTRYPOINT "))[1:]]
"""As the image starts it."""
Ask = Callable[..., dict[str, Any]]

PROBE = """
import ctypes, errno, json, os
inherited = [os.path.realpath(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd")]
libc = ctypes.CDLL(None, use_errno=True)

def says(number, *arguments):
    ctypes.set_errno(0)
    done = libc.syscall(ctypes.c_long(number), *map(ctypes.c_long, arguments))
    return errno.errorcode[ctypes.get_errno()] if done < 0 else "made"

machine, fds = os.uname().machine, (ctypes.c_int * 2)()
make, pair = (41, 53) if machine == "x86_64" else (198, 199)
high = 1 << 32
found = {
    "socket": {f: says(make, f, 1, 0) for f in range(64)},
    "raw": {f: says(make, f, 3, 0) for f in range(64)},
    "pair": {f: says(pair, f, 1, 0, ctypes.addressof(fds)) for f in range(64)},
    "high bits": says(make, high | 2, 1, 0),
    "negative": says(make, -1, 1, 0),
    "ring": says(425, 4, ctypes.addressof(ctypes.create_string_buffer(120))),
    "x32": says(0x40000000 | make, 2, 1, 0) if machine == "x86_64" else "ENOSYS",
    "inherited": inherited,
}
print(json.dumps(found))
"""

COMPAT = """
import ctypes, mmap
code = mmap.mmap(-1, 4096, prot=7)
# socket(AF_INET, SOCK_STREAM, 0) by i386's number: mov eax, 359; mov ebx, 2; mov ecx, 1; xor edx, edx; int 0x80; ret
code.write(bytes.fromhex("53 b867010000 bb02000000 b901000000 31d2 cd80 5b c3"))
print("i386 says", ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))(), flush=True)
"""


OF_ANOTHER_KIND = "import ctypes; assert ctypes.CDLL(None).personality(8) != -1"
"""PER_LINUX32: `uname -m` then says i686, or armv8l."""
WITHOUT_SECCOMP = """
import errno, os
from sympozium import bpf
from sympozium.shell import network
machine = os.uname().machine
number = network._CALLS[machine][0]
code = [*bpf.number_of(machine), (bpf.JEQ, 0, 1, number), (bpf.RET, 0, 0, bpf.ERRNO | errno.EPERM), (bpf.RET, 0, 0, bpf.ALLOW)]
network._install(bpf.packed(code), number)
"""
"""A container whose own filter refuses seccomp(2)."""
UNHEEDED = """
from sympozium.shell import network
network._install = lambda code, number: None
"""
"""A kernel that takes a filter and does nothing."""


@contextmanager
def listening(argv: list[str], **more: Any) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True, **more) as process:
        try:
            assert process.stderr is not None
            assert "listens" in process.stderr.readline()
            yield process
        finally:
            process.terminate()


@contextmanager
def started(directory: Path, *before: str) -> Iterator[tuple[subprocess.Popen[str], Ask]]:
    """The program, run by `before`, and what asks it for one operation."""
    workspace = directory / "ws"
    workspace.mkdir()
    path = str(directory / "s")
    argv = [*before, *PROGRAM, "--socket", path, "--workspace", str(workspace)]
    with listening(argv) as process:

        def ask(operation: str, **arguments: Any) -> dict[str, Any]:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(path)
                connection.sendall(protocol.encode({"op": operation, **arguments}))
                answer = protocol.receive(connection)
            assert answer is not None
            return answer

        yield process, ask


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[subprocess.Popen[str], Ask]]:
    with started(tmp_path_factory.mktemp("shell")) as both:
        yield both


def command(ask: Ask, line: str, **more: Any) -> dict[str, Any]:
    answer = ask("exec", command=line, **more)
    assert answer["ok"], answer
    return dict(answer["result"])


def python(ask: Ask, code: str) -> dict[str, Any]:
    assert ask("write_file", path="probe.py", content=code)["ok"]
    return command(ask, f"{sys.executable} probe.py")


def test_only_unix_sockets_are_made(shell: tuple[Any, Ask]) -> None:
    result = python(shell[1], PROBE)
    found = json.loads(result["stdout"])
    unix = str(int(socket.AF_UNIX))
    for how in ("socket", "raw", "pair"):
        assert found[how].pop(unix) == "made"
        assert set(found[how].values()) == {"EACCES"}, how
    assert (found["high bits"], found["negative"]) == ("EACCES", "EACCES")
    assert (found["ring"], found["x32"]) == ("ENOSYS", "ENOSYS")
    assert not [name for name in found["inherited"] if "socket:" in name]


@pytest.mark.skipif(platform.machine() != "x86_64", reason="i386 is beside x86-64")
def test_a_call_of_another_architecture_ends_the_process(shell: tuple[Any, Ask]) -> None:
    outside = subprocess.run([sys.executable, "-c", COMPAT], capture_output=True, text=True, check=False)
    if "i386 says" not in outside.stdout:
        pytest.skip("this kernel has no calls of i386")
    result = python(shell[1], COMPAT)
    assert (result["signal"] or "SIGSYS", result["exitCode"], result["stdout"]) == ("SIGSYS", 159, "")


@pytest.mark.parametrize(
    "line",
    [
        "exec 3<>/dev/tcp/127.0.0.1/{port}",
        "exec 3<>/dev/udp/127.0.0.1/{port}",
        "curl -sS http://127.0.0.1:{port}/",
        "setsid -w bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port}'",
        "python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", {port}), 5)'",
    ],
)
def test_programs_connect_nowhere(shell: tuple[Any, Ask], line: str) -> None:
    program = line.partition(" ")[0]
    if program not in ("exec", "setsid") and shutil.which(program) is None:
        pytest.skip(f"there is no {program}")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        port = listener.getsockname()[1]
        wrapped = line.format(port=port)
        result = command(shell[1], f"bash -c {json.dumps(wrapped)}" if program == "exec" else wrapped)
        assert result["exitCode"] != 0
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_unix_sockets_work(shell: tuple[Any, Ask]) -> None:
    code = """
import socket, subprocess, sys
server = socket.socket(socket.AF_UNIX); server.bind("a.sock"); server.listen()
child = subprocess.Popen([sys.executable, "-c", "import socket; c = socket.socket(socket.AF_UNIX); c.connect('a.sock'); c.send(b'hello')"])
print(server.accept()[0].recv(9)); child.wait()
"""
    assert python(shell[1], code)["stdout"] == "b'hello'\n"


def test_the_server_itself_is_bound_since_commands_can_trace_it(shell: tuple[Any, Ask]) -> None:
    process, ask = shell
    assert command(ask, "true")["exitCode"] == 0
    # of the main thread, which accepts: the one that ran the command has set the filter for all
    status = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{process.pid}/status").read_text().splitlines()
    )
    assert (status["Seccomp"], status["NoNewPrivs"]) == ("2", "1")


def test_files_are_served_and_one_filter_is_enough(shell: tuple[Any, Ask]) -> None:
    process, ask = shell
    for _ in range(3):
        assert command(ask, "true")["exitCode"] == 0
    status = Path(f"/proc/{process.pid}/status").read_text()
    outside = Path("/proc/self/status").read_text()
    assert _filters(status) == _filters(outside) + 1
    assert ask("write_file", path="f", content="x")["ok"]


def _filters(status: str) -> int:
    return int(next(line for line in status.splitlines() if line.startswith("Seccomp_filters")).split()[1])


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (OF_ANOTHER_KIND, "no filter for 64-bit programs on"),
        (WITHOUT_SECCOMP, "seccomp: Operation not permitted"),
        (UNHEEDED, "does not hold"),
    ],
    ids=["machine", "seccomp", "unheeded"],
)
def test_where_it_cannot_be_closed_nothing_runs(tmp_path: Path, spoil: str, says: str) -> None:
    then = "import runpy, sys; sys.argv = ['shell', *sys.argv[1:]];"
    then += "runpy.run_module('sympozium.shell', run_name='__main__')"
    argv = [sys.executable, "-c", f"{spoil}\n{then}"]
    (tmp_path / "ws").mkdir()
    argv += ["--socket", str(tmp_path / "s"), "--workspace", str(tmp_path / "ws")]
    with listening(argv) as process:
        for request in ({"op": "exec", "command": "touch ran"}, {"op": "list_directory", "path": "."}):
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(tmp_path / "s"))
                connection.sendall(protocol.encode(request))
                answer = protocol.receive(connection)
            assert answer is not None
            if request["op"] == "exec":
                assert not answer["ok"]
                assert answer["error"].startswith(
                    "the command was not run: its network cannot be closed here"
                )
                assert says in answer["error"]
            else:  # files are served all the same
                assert answer["result"]["entries"] == []
        process.terminate()
        assert process.stderr is not None
        assert says in process.stderr.read()


def _alone() -> list[str]:
    """What gives a program a network namespace of its own, as our node gives it to `shell`."""
    return [
        host.candidates()[-1],
        "--unshare-user",
        "--unshare-net",
        "--dev-bind",
        "/",
        "/",
        "--die-with-parent",
    ]


def test_in_a_namespace_of_its_own_commands_talk_with_each_other_and_with_nobody_else(tmp_path: Path) -> None:
    code = f"""
import json, socket, subprocess, sys
server = socket.create_server(("127.0.0.1", 0))
child = f"import socket; socket.create_connection(('127.0.0.1', {{server.getsockname()[1]}})).send(b'hello')"
subprocess.run([sys.executable, "-c", child], check=True)
print(server.accept()[0].recv(9), [name for _, name in socket.if_nameindex()])
{PROBE}"""
    with started(tmp_path, *_alone()) as (_, ask):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setblocking(False)
            result = command(ask, f"bash -c 'exec 3<>/dev/tcp/127.0.0.1/{listener.getsockname()[1]}'")
            assert "refused" in result["stderr"]
            with pytest.raises(BlockingIOError):
                listener.accept()
        talk, probe = python(ask, code)["stdout"].splitlines()
        assert talk.startswith("b'hello' ['lo'")
        open_to = {int(family) for family, says in json.loads(probe)["socket"].items() if says == "made"}
        assert open_to <= set(network.OF_ITS_OWN)
        refused = {family for family, says in json.loads(probe)["socket"].items() if says == "EACCES"}
        assert {str(family) for family in range(64)} - refused == {str(int(f)) for f in network.OF_ITS_OWN}


def test_a_namespace_is_our_own_when_the_caller_is_elsewhere_and_no_route_leaves_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connects = (
        f"import socket; c = socket.socket(socket.AF_UNIX); c.connect({str(tmp_path / 's')!r}); c.recv(1)"
    )
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        for before, elsewhere in ((_alone(), True), ([], False)):
            connecting = subprocess.Popen([*before, sys.executable, "-c", connects])
            with connecting, listener.accept()[0] as caller:
                for routes in ([], ["eth0"]):
                    monkeypatch.setattr(network, "_routes", lambda found=routes: found)
                    assert network.is_own(caller) is (elsewhere and not routes)


def test_routes_by_loopback_lead_nowhere(tmp_path: Path) -> None:
    assert network._routes(str(tmp_path)) == []
    head = "Iface\tDestination\tGateway\n"
    (tmp_path / "route").write_text(f"{head}lo\t0000007F\t00000000\n")
    (tmp_path / "ipv6_route").write_text("0 00 0 00 0 ffffffff 1 0 200200       lo\n")
    assert network._routes(str(tmp_path)) == []
    (tmp_path / "route").write_text(f"{head}eth0\t00000000\t0101A8C0\n")
    assert len(network._routes(str(tmp_path))) == 1
    with (tmp_path / "ipv6_route").open("a") as file:
        file.write("0 00 0 00 0 ffffffff 1 0 200200     eth0\n")
    assert len(network._routes(str(tmp_path))) == 2


def test_what_a_command_left_is_not_read_when_the_shell_starts_again(tmp_path: Path) -> None:
    """`-I` of the image's entry point and of the plan (golden files): the workspace and HOME outlive the container."""
    (tmp_path / "ws").mkdir()
    site = tmp_path / f"home/.local/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    for planted in (
        tmp_path / "ws/sympozium/__init__.py",
        tmp_path / "ws/socket.py",
        site / "usercustomize.py",
    ):
        planted.parent.mkdir(parents=True, exist_ok=True)
        planted.write_text("raise SystemExit('planted')")
    argv = [*PROGRAM, "--socket", str(tmp_path / "s"), "--workspace", str(tmp_path / "ws")]
    env = {**os.environ, "HOME": str(tmp_path / "home"), "PYTHONPATH": str(tmp_path / "ws")}
    with listening(argv, cwd=tmp_path / "ws", env=env):
        pass


def judged(
    families: tuple[int, ...], machine: str, number: int, argument: int = 0, arch: int | None = None
) -> int:
    """What the filter for a machine says, by the operations of BPF that it uses."""
    filled = network.program(families, machine)
    assert filled is not None
    code = [struct.unpack_from("=HBBI", filled, i) for i in range(0, len(filled), 8)]
    data = struct.pack("<IIQQ", number, bpf.MACHINES[machine] if arch is None else arch, 0, argument)
    at, accumulator = 0, 0
    while True:
        op, yes, no, value = code[at]
        at += 1
        if op == bpf.LD_W:
            accumulator = struct.unpack_from("<I", data, value)[0]
        elif op == bpf.RET:
            return int(value)
        else:
            assert op in (bpf.JEQ, bpf.JGE)
            at += yes if (accumulator == value if op == bpf.JEQ else accumulator >= value) else no


@pytest.mark.parametrize("families", [network.UNIX, network.OF_ITS_OWN])
@pytest.mark.parametrize(
    ("machine", "calls", "other"),
    [
        ("x86_64", (41, 53), 0x40000003),
        ("aarch64", (198, 199), 0x40000028),
        ("arm64", (198, 199), 0x40000028),
    ],
)
def test_the_filter_of_each_machine(
    machine: str, calls: tuple[int, int], other: int, families: tuple[int, ...]
) -> None:
    refused = bpf.ERRNO | errno.EACCES
    for call in calls:
        for family in range(64):
            says = judged(families, machine, call, family)
            assert says == (bpf.ALLOW if family in families else refused), (call, family)
        assert judged(families, machine, call, 1 << 32) == refused  # AF_UNSPEC, whatever stands above an int
        assert judged(families, machine, call, 1, arch=other) == bpf.KILL
        if machine == "x86_64":  # x32, which not every kernel has
            assert judged(families, machine, 0x40000000 | call, 1) == bpf.ERRNO | errno.ENOSYS
    assert judged(families, machine, 425) == bpf.ERRNO | errno.ENOSYS
    for number in {*range(600)} - {*calls, 425}:
        assert judged(families, machine, number, socket.AF_INET) == bpf.ALLOW


def test_machines_that_have_none() -> None:
    for machine in ("i686", "riscv64", "aarch64_be", "armv7l"):
        assert network.program(network.UNIX, machine) is None


def test_a_program_of_32_bits_on_a_machine_of_64_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The filter of `uname -m` would end it with its next call."""
    monkeypatch.setattr(struct, "calcsize", lambda _: 4)
    monkeypatch.setattr(network, "_install", lambda *_: pytest.fail("it was installed"))
    with pytest.raises(network.NotClosedError, match="no filter for 32-bit programs"):
        network.close(network.UNIX)
