"""An entry of a record: one line of canonical JSON.

    {"data": {...}, "hash": "sha256:...", "kind": "call.intent", "n": 3, "prev": "sha256:...",
     "run": {"name": ..., "namespace": ..., "uid": ...}, "seq": 41, "sig": "ed25519:...", "time": "...", "v": 1}

`n` counts from 1. `seq` is the place in the stream `RUNS` of the message that the entry was made from or, for one that
was made from an object of the API, of the last message before it: it never falls. `hash` is over the canonical JSON of
everything but `hash` and `sig`; `prev` is the hash of the entry before, of 64 zeros for the first. `sig` is over the hash.
Canonical: keys sorted, no spaces, ASCII, whole numbers alone. There is one way to write an entry, so that each changed
byte of a line shows.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from sympozium.bus.subjects import RunRef

VERSION: Final = 1
NO_HASH: Final = "sha256:" + 64 * "0"
RUN_CREATED: Final = "run.created"
RUN_ADMITTED: Final = "run.admitted"
RUN_ENDED: Final = "run.ended"
GAP: Final = "gap"
_HASH: Final = re.compile(r"sha256:[0-9a-f]{64}")
_SIGNATURE: Final = re.compile(r"ed25519:[0-9a-f]{128}")
_DOMAIN: Final = b"sympozium record v1\n"
"""Before what is signed: a signature for the record is none for anything else."""
_FIELDS: Final[Mapping[str, type]] = {
    "data": dict, "hash": str, "kind": str, "n": int, "prev": str, "run": dict, "seq": int, "sig": str, "time": str, "v": int,
}  # fmt: skip
_DEEPEST: Final = 32


class EntryError(ValueError):
    """Not an entry, or not one that is believed; the text says why."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry that was made here, or whose form, hash and signature hold."""

    n: int
    time: str
    run: RunRef
    kind: str
    data: Mapping[str, Any]
    prev: str
    hash: str
    seq: int
    line: bytes
    """As it is stored and exported, without a line break."""


def canonical(value: Any) -> bytes:
    """Raises ValueError for what has no canonical form."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def digest(value: Any) -> str:
    """`sha256:` over text as it is, or over the canonical JSON of anything else."""
    raw = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else canonical(value)
    return f"sha256:{hashlib.sha256(raw).hexdigest()}"


def make(
    key: Ed25519PrivateKey, run: RunRef, previous: Entry | None, *, kind: str, data: Mapping[str, Any], time: str, seq: int
) -> Entry:  # fmt: skip
    """The next entry after `previous`."""
    n, prev = (previous.n + 1, previous.hash) if previous else (1, NO_HASH)
    body = {
        "v": VERSION, "n": n, "time": time, "kind": kind, "data": dict(data), "prev": prev, "seq": seq,
        "run": {"namespace": run.namespace, "name": run.name, "uid": run.uid},
    }  # fmt: skip
    found = digest(body)
    signature = key.sign(_DOMAIN + found.encode()).hex()
    line = canonical({**body, "hash": found, "sig": f"ed25519:{signature}"})
    return Entry(n, time, run, kind, data, prev, found, seq, line)


def read(line: bytes, key: Ed25519PublicKey) -> Entry:
    """The entry in a line, by itself: whether it is the next one is `check_next`'s to say. Raises EntryError."""
    body = _decoded(line)
    _check_form(body)
    found, signature = body["hash"], body["sig"]
    if digest({k: v for k, v in body.items() if k not in ("hash", "sig")}) != found:
        raise EntryError("the hash is not that of the entry: it was changed")
    try:
        key.verify(bytes.fromhex(signature.removeprefix("ed25519:")), _DOMAIN + found.encode())
    except InvalidSignature:
        raise EntryError(
            "the signature is not by this key: another key signed it, or it was changed"
        ) from None
    run = RunRef(body["run"]["namespace"], body["run"]["name"], body["run"]["uid"])
    return Entry(
        body["n"], body["time"], run, body["kind"], body["data"], body["prev"], found, body["seq"], line
    )


def is_stray(line: bytes) -> bool:
    """Whether a line is not even the shape of an entry. A run can have the server write its acknowledgements (or the run's
    own control messages) to any subject, and choose nothing of what they say: none has `hash` and `prev`.
    """
    try:
        body = json.loads(line)
    except (ValueError, RecursionError):
        return True
    return not (isinstance(body, dict) and "hash" in body and "prev" in body)


def check_next(entry: Entry, previous: Entry | None) -> None:
    """Raises EntryError where `entry` does not follow on `previous`."""
    if previous is None:
        if entry.n != 1 or entry.prev != NO_HASH or entry.kind != RUN_CREATED:
            raise EntryError(
                f"a record begins with entry 1, {RUN_CREATED}; this is entry {entry.n}, {entry.kind}"
            )
        return
    if entry.run != previous.run:
        raise EntryError(
            f"an entry of run {entry.run.namespace}/{entry.run.name} ({entry.run.uid}), another run"
        )
    if entry.n != previous.n + 1:
        raise EntryError(f"entry {entry.n} after entry {previous.n}: removed, repeated or put elsewhere")
    if entry.prev != previous.hash:
        raise EntryError("not chained to the entry before it: one of both was replaced")
    if previous.kind == RUN_ENDED:
        raise EntryError(f"an entry after {RUN_ENDED}")
    if entry.seq < previous.seq:
        raise EntryError(f"from message {entry.seq}, after one from message {previous.seq}")


def _decoded(line: bytes) -> dict[str, Any]:
    try:
        body = json.loads(line)
        _check_depth(body, _DEEPEST)
        again = canonical(body)
    except (ValueError, RecursionError) as exc:
        raise EntryError(f"not JSON of a record: {str(exc)[:100]}") from exc
    if not isinstance(body, dict):
        raise EntryError("not a JSON object")
    if again != line:
        raise EntryError("not canonical JSON: repeated or unsorted keys, spaces, or other escapes")
    return body


def _check_depth(value: Any, left: int) -> None:
    if left < 0:
        raise EntryError("nested too deeply")
    if isinstance(value, float):
        raise EntryError("a number that is not whole")
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _check_depth(item, left - 1)


def _check_form(body: Mapping[str, Any]) -> None:
    if body.keys() != _FIELDS.keys():
        raise EntryError(f"the fields are not {', '.join(_FIELDS)}")
    for name, kind in _FIELDS.items():
        if type(body[name]) is not kind:
            raise EntryError(f"{name} is no {kind.__name__}")
    run = body["run"]
    if run.keys() != {"namespace", "name", "uid"} or not all(isinstance(v, str) for v in run.values()):
        raise EntryError("run has not namespace, name and uid")
    if body["v"] != VERSION:
        raise EntryError(f"version {body['v']}; this program knows version {VERSION}")
    if not (_HASH.fullmatch(body["hash"]) and _HASH.fullmatch(body["prev"])):
        raise EntryError("hash or prev is not sha256: and 64 hexadecimal digits")
    if not _SIGNATURE.fullmatch(body["sig"]):
        raise EntryError("sig is not ed25519: and 128 hexadecimal digits")
    if body["n"] < 1 or body["seq"] < 0:
        raise EntryError("n or seq is below what it counts from")
    _check_time(body["time"])


def _check_time(text: str) -> None:
    try:
        zone = datetime.fromisoformat(text).tzinfo
    except ValueError:
        zone = None
    if zone is None:
        raise EntryError("time is not RFC 3339")
