"""Connections to a range of addresses, whatever the port, given to one listening socket.

A Service has an address of its own and any ports. A listener on each would stand in the way of a program that
wants the same port on every address, which most servers do. The kernel can be told instead which socket gets a
connection before it looks for listeners (BPF_PROG_TYPE_SK_LOOKUP): a program of some thirty instructions, attached to
one network namespace, gone when its descriptor is closed or the node dies. Needs Linux 5.9 and root.
https://docs.kernel.org/bpf/prog_sk_lookup.html
"""

import ctypes
import os
import platform
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network

_NUMBER = {"x86_64": 321, "aarch64": 280}
_MAP_CREATE, _MAP_UPDATE, _PROG_LOAD, _LINK_CREATE = 0, 2, 5, 28
_SOCKMAP, _SK_LOOKUP_PROGRAM, _SK_LOOKUP_ATTACH = 15, 30, 36
_LOOKUP_ELEMENT, _SK_ASSIGN, _SK_RELEASE = 1, 124, 86
_FAMILY, _PROTOCOL, _LOCAL_IP4 = 8, 12, 40  # offsets in struct bpf_sk_lookup
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Steering:
    """Holds until it is closed."""

    descriptors: tuple[int, ...]

    def close(self) -> None:
        for descriptor in self.descriptors:
            os.close(descriptor)


def _instruction(code: int, to: int = 0, source: int = 0, offset: int = 0, value: int = 0) -> bytes:
    return struct.pack("=BBhi", code, source << 4 | to, offset, value)


Rule = tuple[IPv4Network, bool]
"""A network, and whether its connections are taken (else they go their ordinary way). The first that fits counts."""


def program(rules: Sequence[Rule], sockets: int) -> bytes:
    """Instructions that give TCP connections, by the address they go to, to the socket at key 0 of the map."""
    load, move, set_to, call = 0x61, 0xBF, 0xB7, 0x85
    unless, when_word, when = 0x55, 0x16, 0x15
    code: list[bytes | _Jump | str] = [
        _instruction(move, 6, 1),  # the context, which calls overwrite
        _instruction(load, 2, 1, _FAMILY), _Jump(unless, 2, socket.AF_INET, "pass"),
        _instruction(load, 2, 1, _PROTOCOL), _Jump(unless, 2, socket.IPPROTO_TCP, "pass"),
        _instruction(load, 3, 1, _LOCAL_IP4),
    ]  # fmt: skip
    for network, taken in rules:
        mask, wanted = (
            struct.unpack("=i", part.packed)[0] for part in (network.netmask, network.network_address)
        )
        code += [_instruction(0xBC, 2, 3), _instruction(0x54, 2, value=mask)]  # 32 bits: no sign is extended
        code.append(_Jump(when_word, 2, wanted, "take" if taken else "pass"))
    code += [
        _Jump(0x05, 0, 0, "pass"),
        "take",
        _instruction(0x62, 10, offset=-4),  # the key, 0, on the stack
        _instruction(move, 2, 10), _instruction(0x07, 2, value=-4),
        _instruction(0x18, 1, 1, value=sockets), _instruction(0),  # the map, by descriptor: two words
        _instruction(call, value=_LOOKUP_ELEMENT), _Jump(when, 0, 0, "pass"),
        _instruction(move, 7, 0), _instruction(move, 1, 6), _instruction(move, 2, 7), _instruction(set_to, 3),
        _instruction(call, value=_SK_ASSIGN),
        _instruction(move, 1, 7), _instruction(call, value=_SK_RELEASE),
        "pass",
        _instruction(set_to, 0, value=1), _instruction(0x95),
    ]  # fmt: skip
    return _assembled(code)


@dataclass(frozen=True, slots=True)
class _Jump:
    code: int
    register: int
    value: int
    label: str


def _assembled(code: Sequence[bytes | _Jump | str]) -> bytes:
    """Labels resolved to offsets, which count from the next instruction."""
    places, count = {}, 0
    for entry in code:
        if isinstance(entry, str):
            places[entry] = count
        else:
            count += 1
    out, at = bytearray(), 0
    for entry in code:
        if isinstance(entry, str):
            continue
        at += 1
        if isinstance(entry, bytes):
            out += entry
        else:
            out += _instruction(
                entry.code, entry.register, offset=places[entry.label] - at, value=entry.value
            )
    return bytes(out)


def _bpf(command: int, attributes: bytes) -> int:
    """bpf(2). Raises OSError."""
    buffer = ctypes.create_string_buffer(attributes.ljust(128, b"\0"), 128)
    number = _NUMBER.get(platform.machine())
    if number is None:
        raise OSError(f"no bpf(2) known for {platform.machine()}")
    result = _libc.syscall(number, command, buffer, 128)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"bpf: {os.strerror(code)}")
    os.set_inheritable(result, False)
    return int(result)


def steer(rules: Sequence[Rule], listening: socket.socket, namespace: int) -> Steering:
    """Give the connections that `rules` take to `listening`, in the network namespace behind the descriptor. Raises OSError."""
    opened: list[int] = []
    try:
        sockets = _bpf(_MAP_CREATE, struct.pack("=IIII", _SOCKMAP, 4, 8, 1))
        opened.append(sockets)
        key, value = ctypes.c_uint32(0), ctypes.c_uint64(listening.fileno())
        _bpf_update(sockets, key, value)
        code = program(rules, sockets)
        text, licence = ctypes.create_string_buffer(code), ctypes.create_string_buffer(b"GPL")
        loaded = _bpf(_PROG_LOAD, struct.pack(
            "=IIQQIIQII16sII", _SK_LOOKUP_PROGRAM, len(code) // 8, ctypes.addressof(text), ctypes.addressof(licence),
            0, 0, 0, 0, 0, b"services", 0, _SK_LOOKUP_ATTACH))  # fmt: skip
        opened.append(loaded)
        opened.append(_bpf(_LINK_CREATE, struct.pack("=IIII", loaded, namespace, _SK_LOOKUP_ATTACH, 0)))
    except OSError:
        for descriptor in opened:
            os.close(descriptor)
        raise
    return Steering(tuple(opened))


def _bpf_update(sockets: int, key: ctypes.c_uint32, value: ctypes.c_uint64) -> None:
    """The map takes the socket; the call answers 0, which is no descriptor."""
    attributes = struct.pack("=IIQQQ", sockets, 0, ctypes.addressof(key), ctypes.addressof(value), 0)
    buffer = ctypes.create_string_buffer(attributes.ljust(128, b"\0"), 128)
    if _libc.syscall(_NUMBER[platform.machine()], _MAP_UPDATE, buffer, 128) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"bpf: the socket cannot be put into a map: {os.strerror(code)}")
