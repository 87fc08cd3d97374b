"""Ports are picked once and stay."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sympozium.up import ports

_CLAIM = """
import sys
from sympozium.up import ports
print(ports.claim(int(sys.argv[1])), flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def _given_up() -> Iterator[None]:
    yield
    ended()


def ended() -> None:
    """As the process that picked them ends."""
    for port in list(ports._claims):
        ports.release(port)


def another(port: int) -> subprocess.Popen[str]:
    """Another process that claims the port; its first line says whether it got it."""
    return subprocess.Popen(
        [sys.executable, "-c", _CLAIM, str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_of_two_processes_one_gets_a_port_before_anybody_listens_and_keeps_it_until_it_ends() -> None:
    port = ports.pick()
    with another(port) as late:
        assert first_line(late) == "False\n"
        ports.release(port)
        late.communicate()
    with another(port) as early:
        assert first_line(early) == "True\n"
        assert not ports.claim(port)
        early.kill()
        early.wait()
        assert ports.claim(port)
        early.communicate()


def test_a_claim_lets_a_server_listen_and_no_program_that_asks_for_it_alone() -> None:
    port = ports.pick()
    with socket.socket() as alone, pytest.raises(OSError, match="in use"):
        alone.bind(("127.0.0.1", port))
    with socket.create_server(("127.0.0.1", port)), socket.create_connection(("127.0.0.1", port)):
        pass


def test_the_same_ports_come_back(tmp_path: Path) -> None:
    path = tmp_path / "ports.json"
    first = ports.assign(path, ["bus", "node"])
    assert first["bus"] != first["node"]
    ended()
    assert ports.assign(path, ["bus", "node"]) == first


def test_a_port_that_somebody_took_is_replaced_and_the_others_stay(tmp_path: Path) -> None:
    path = tmp_path / "ports.json"
    first = ports.assign(path, ["bus", "node"])
    ended()
    with socket.create_server(("127.0.0.1", first["bus"])):
        second = ports.assign(path, ["bus", "node"])
    assert second["bus"] != first["bus"]
    assert second["node"] == first["node"]
    ended()
    assert ports.assign(path, ["bus"]) == {"bus": second["bus"]}


def test_a_name_that_is_not_asked_for_keeps_its_port(tmp_path: Path) -> None:
    path = tmp_path / "ports.json"
    first = ports.assign(path, ["api", "bus"])
    ended()
    ports.assign(path, ["bus"])
    ended()
    assert ports.assign(path, ["api", "bus"]) == first


@pytest.mark.parametrize("text", ["", "{", "[]", '{"bus": "x"}', '{"bus": 70000}'])
def test_a_damaged_memory_is_written_anew(tmp_path: Path, text: str) -> None:
    path = tmp_path / "ports.json"
    path.write_text(text)
    first = ports.assign(path, ["bus"])
    ended()
    assert ports.assign(path, ["bus"]) == first
