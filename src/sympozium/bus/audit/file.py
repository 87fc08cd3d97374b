"""Verification of an exported record: one entry a line. Needs no cluster, no bus and no configuration.

The first thing that is wrong ends it: what comes after a broken link says nothing.
"""

from dataclasses import dataclass
from typing import BinaryIO, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from sympozium.bus import messages
from sympozium.bus.audit.entry import RUN_CREATED, RUN_ENDED, Entry, EntryError, check_next, read

LONGEST_LINE: Final = 2 * 1024 * 1024
"""Bytes; the bus takes no message of half of it."""
_KEY_SEARCH: Final = b'"key":"'


class RecordError(Exception):
    """The record is not whole or not true. `line` counts from 1; 0 is the file as a whole."""

    def __init__(self, line: int, words: str) -> None:
        super().__init__(words)
        self.line = line


@dataclass(frozen=True, slots=True)
class Verified:
    """A record that holds."""

    entries: int
    first: Entry
    last: Entry
    key: str
    """Public key by which its signatures hold."""

    @property
    def ended(self) -> bool:
        return self.last.kind == RUN_ENDED


def verify(
    stream: BinaryIO, *, key: str | None = None, head: str | None = None, is_open: bool = False
) -> Verified:
    """The whole of a record. Raises RecordError.

    `key`: the installation's public key; without one, the key that the record itself names is taken, and a record that
    somebody wrote anew under a key of their own passes. `head`: hash that the last entry must have. `is_open`: the run may
    still go on.
    """
    known = _key(key, 0) if key is not None else None
    first = previous = None
    number = 0
    while line := stream.readline(LONGEST_LINE + 1):
        number += 1
        if not line.endswith(b"\n"):
            words = (
                f"longer than {LONGEST_LINE} bytes"
                if len(line) > LONGEST_LINE
                else "cut off: no line break at its end"
            )
            raise RecordError(number, words)
        try:
            if known is None:
                known = _key(key := _named(line), number)
            entry = read(line[:-1], known)
            check_next(entry, previous)
        except EntryError as exc:
            raise RecordError(number, str(exc)) from exc
        if previous is None and entry.data.get("key") != messages.public_text(known):
            raise RecordError(number, f"{RUN_CREATED} names another key than the one that signed it")
        first, previous = first or entry, entry
    if first is None or previous is None:
        raise RecordError(0, "no entries")
    if head is not None and previous.hash != head:
        raise RecordError(
            number, f"the last entry is {previous.hash}, and not {head}: entries are missing at the end"
        )
    if previous.kind != RUN_ENDED and not is_open:
        raise RecordError(
            number,
            f"ends with {previous.kind} and not with {RUN_ENDED}: cut off, or the run goes on (--open)",
        )
    assert key is not None, "a line was read with it"
    return Verified(number, first, previous, key)


def _named(line: bytes) -> str:
    """The key that the first line names, before anything in it is believed."""
    _, found, rest = line.partition(_KEY_SEARCH)
    if not found:
        raise EntryError(
            f"a record begins with {RUN_CREATED} and the key that signs it: the first line names none"
        )
    return rest.partition(b'"')[0].decode("ascii", "replace")


def _key(text: str, line: int) -> Ed25519PublicKey:
    try:
        return messages.public_key(text)
    except ValueError as exc:
        raise RecordError(line, f"{text[:60]!r} is no public key (32 bytes in base64)") from exc
