"""Classic BPF for filters of system calls: what every such program of ours begins with, and its bytes.

A leaf that the node (all containers) and the shell (commands of the model) share.
https://docs.kernel.org/userspace-api/seccomp_filter.html
"""

import errno
import struct

LD_W, JEQ, JGE, RET = 0x20, 0x15, 0x35, 0x06
ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7, "arm64": 0xC00000B7}
"""AUDIT_ARCH of what `uname -m` says."""
_NR, _ARCH = 0, 4
_X32_BIT = 0x40000000

Instruction = tuple[int, int, int, int]
"""Operation, jump if true, jump if false, value."""


def number_of(machine: str) -> list[Instruction]:
    """Leaves the number of the call in the accumulator. KeyError for a machine that is not in MACHINES.

    A call of another architecture (i386 on x86-64) ends the process, and x32, which reaches the same calls by other
    numbers, is not there: whatever follows need know one numbering alone.
    """
    arch = MACHINES[machine]
    code = [(LD_W, 0, 0, _ARCH), (JEQ, 1, 0, arch), (RET, 0, 0, KILL), (LD_W, 0, 0, _NR)]
    if machine == "x86_64":
        code += [(JGE, 0, 1, _X32_BIT), (RET, 0, 0, ERRNO | errno.ENOSYS)]
    return code


def argument(index: int) -> Instruction:
    """Loads the low 32 bits of an argument: all that the kernel takes of one that is an int. Little endian."""
    return (LD_W, 0, 0, 16 + 8 * index)


def packed(code: list[Instruction]) -> bytes:
    """An array of struct sock_filter."""
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)
