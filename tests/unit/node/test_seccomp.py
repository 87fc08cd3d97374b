"""The system call filter, run by a small interpreter of the BPF that it uses."""

import struct

import pytest

from sympozium.node import seccomp

ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def run(machine: str, number: int, arch: int | None = None) -> int:
    """What the filter says about a system call."""
    program = seccomp.program(machine)
    assert program is not None
    code = [struct.unpack_from("=HBBI", program, i) for i in range(0, len(program), 8)]
    data = struct.pack("=II", number, ARCH[machine] if arch is None else arch)
    at, accumulator = 0, 0
    while True:
        op, yes, no, value = code[at]
        at += 1
        if op == 0x20:
            accumulator = struct.unpack_from("=I", data, value)[0]
        elif op == 0x15:
            at += yes if accumulator == value else no
        elif op == 0x35:
            at += yes if accumulator >= value else no
        else:
            assert op == 0x06
            return int(value)


@pytest.mark.parametrize(("machine", "column"), [("x86_64", 0), ("aarch64", 1)])
def test_refused_calls(machine: str, column: int) -> None:
    for name, numbers in seccomp.REFUSED.items():
        assert run(machine, numbers[column]) == ERRNO | 1, name


@pytest.mark.parametrize(
    "name_and_number", [("read", 0), ("write", 1), ("clone", 56), ("execve", 59), ("socket", 41)]
)
def test_ordinary_calls(name_and_number: tuple[str, int]) -> None:
    assert run("x86_64", name_and_number[1]) == ALLOW


def test_another_architecture_ends_the_process() -> None:
    assert run("x86_64", 0, arch=0x40000003) == KILL


def test_the_other_numbering_of_x86_is_no_way_around() -> None:
    assert run("x86_64", 0x40000000 | 165) == ERRNO | 38


def test_unknown_machine() -> None:
    assert seccomp.program("riscv64") is None
