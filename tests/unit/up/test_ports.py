"""Ports are picked once and stay."""

import socket
from pathlib import Path

import pytest

from sympozium.up import ports


def test_the_same_ports_come_back(tmp_path: Path) -> None:
    path = tmp_path / "ports.json"
    first = ports.assign(path, ["bus", "node"])
    assert first["bus"] != first["node"]
    assert ports.assign(path, ["bus", "node"]) == first


def test_a_port_that_somebody_took_is_replaced_and_the_others_stay(tmp_path: Path) -> None:
    path = tmp_path / "ports.json"
    first = ports.assign(path, ["bus", "node"])
    with socket.create_server(("127.0.0.1", first["bus"])):
        second = ports.assign(path, ["bus", "node"])
    assert second["bus"] != first["bus"]
    assert second["node"] == first["node"]
    assert ports.assign(path, ["bus"]) == {"bus": second["bus"]}


def test_a_name_that_is_not_asked_for_keeps_its_port(tmp_path: Path) -> None:
    path = tmp_path / "ports.json"
    first = ports.assign(path, ["api", "bus"])
    ports.assign(path, ["bus"])
    assert ports.assign(path, ["api", "bus"]) == first


@pytest.mark.parametrize("text", ["", "{", "[]", '{"bus": "x"}'])
def test_a_damaged_memory_is_written_anew(tmp_path: Path, text: str) -> None:
    path = tmp_path / "ports.json"
    path.write_text(text)
    assert ports.assign(path, ["bus"]) == ports.assign(path, ["bus"])
