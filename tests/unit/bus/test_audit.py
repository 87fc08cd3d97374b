"""The record of a run: whatever is done to an exported one is found, and where."""

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, strategies as st

from cluster.bus_data import whole
from sympozium.bus import messages
from sympozium.bus.audit.entry import RUN_CREATED, RUN_ENDED, Entry, canonical, make
from sympozium.bus.audit.facts import KINDS, UNRECORDED, fact
from sympozium.bus.audit.file import RecordError, Verified, verify
from sympozium.bus.data import TYPES
from sympozium.bus.messages import Message
from sympozium.bus.subjects import RunRef

RUN = RunRef("ns", "run.one", "uid-1")
KEY = messages.new_key()
PUBLIC = messages.public_text(KEY.public_key())
SECRET = "sk-abcdefghijklmnopqrstuvwx"


def record(key: Any = KEY, run: RunRef = RUN, *, ended: bool = True, calls: int = 2) -> list[bytes]:
    """Lines of a record, each with its line break."""
    entries: list[Entry] = []

    def put(kind: str, data: dict[str, Any], seq: int) -> None:
        last = entries[-1] if entries else None
        entries.append(make(key, run, last, kind=kind, data=data, time="2026-11-27T08:00:00Z", seq=seq))

    put(RUN_CREATED, {"key": messages.public_text(key.public_key()), "instance": "i\u00e4"}, 0)
    for n in range(calls):
        put("call.intent", {"callId": f"c{n}", "verdict": {"action": "allow"}}, 2 * n + 1)
        put("call.outcome", {"callId": f"c{n}", "ok": True}, 2 * n + 2)
    if ended:
        put(RUN_ENDED, {"phase": "Succeeded"}, 2 * calls + 1)
    return [entry.line + b"\n" for entry in entries]


def checked(lines: list[bytes] | bytes, **options: Any) -> Verified:
    return verify(io.BytesIO(lines if isinstance(lines, bytes) else b"".join(lines)), **options)


def wrong(lines: list[bytes] | bytes, **options: Any) -> tuple[int, str]:
    with pytest.raises(RecordError) as caught:
        checked(lines, **options)
    return caught.value.line, str(caught.value)


def test_a_whole_record_holds_and_names_its_key() -> None:
    found = checked(record())
    assert (found.entries, found.last.kind, found.key, found.ended) == (6, RUN_ENDED, PUBLIC, True)
    assert checked(record(), key=PUBLIC, head=found.last.hash) == found


def test_every_flipped_byte_is_found_on_its_line() -> None:
    lines = record(calls=1)
    whole_record = b"".join(lines)
    starts = [sum(map(len, lines[:n])) for n in range(len(lines))]
    for place in range(len(whole_record)):
        line = sum(start <= place for start in starts)
        changed = bytearray(whole_record)
        changed[place] ^= 1 << place % 8
        assert wrong(bytes(changed), key=PUBLIC)[0] == line, place


@given(st.data())
def test_whatever_is_done_to_the_lines_is_found(data: st.DataObject) -> None:
    lines = record()
    places = st.integers(0, len(lines) - 1)
    a, b = data.draw(places), data.draw(places)
    changed = list(lines)
    match data.draw(st.sampled_from(["remove", "repeat", "swap", "cut", "foreign"])):
        case "remove":
            del changed[a]
        case "repeat":
            changed.insert(b, lines[a])
        case "swap":
            changed[a], changed[b] = changed[b], changed[a]
        case "cut":
            changed = lines[:a]
        case "foreign":
            changed[a] = record(run=RunRef("ns", "other", "uid-2"))[a]
    if changed != lines:
        wrong(changed, key=PUBLIC)


@pytest.mark.parametrize(
    ("change", "line", "words"),
    [
        (lambda r: [*r[:2], *r[3:]], 3, "entry 4 after entry 2"),
        (lambda r: [*r[:2], r[1], *r[2:]], 3, "entry 2 after entry 2"),
        (lambda r: r[1:], 1, "begins with"),
        (lambda r: r[:-1], 5, "ends with call.outcome"),
        (lambda r: [*r[:-1], r[-1][:-1]], 6, "cut off"),
        (lambda r: [r[0], b"\n", *r[1:]], 2, "not JSON"),
        (lambda r: [], 0, "no entries"),
        (lambda r: [*r, record(calls=3)[6]], 7, "not chained"),
        (lambda r: [r[0], *record(messages.new_key())[1:]], 2, "signature is not by this key"),
    ],
)
def test_the_error_says_line_and_reason(
    change: Callable[[list[bytes]], list[bytes]], line: int, words: str
) -> None:
    found, text = wrong(change(record()))
    assert (found, words in text) == (line, True), text


def test_another_key_is_found_when_the_true_one_is_known() -> None:
    forged = record(messages.new_key())
    checked(forged)  # by the key that it names itself: that is what --key is for
    assert wrong(forged, key=PUBLIC)[0] == 1


def test_a_shorter_record_is_found_by_its_head() -> None:
    lines = record(ended=False)
    head = checked(lines, is_open=True).last.hash
    assert wrong(lines)[1].startswith("ends with call.outcome")
    assert "missing at the end" in wrong(lines[:-1], is_open=True, head=head)[1]
    assert checked(lines, is_open=True, head=head).entries == 5


@pytest.mark.parametrize(
    "line",
    [
        b"\xff\xfe\n",
        b"[" * 100_000 + b"\n",
        b'{"a":' * 200 + b"1" + b"}" * 200 + b"\n",
        b"1" * 10_000 + b"\n",
        b"null\n",
        b"[]\n",
        b"NaN\n",
        b"{}\n",
        b"x" * (3 * 1024 * 1024) + b"\n",
        b'{"n":1,"n":1}\n',
        b"\0\n",
        json.dumps({"v": 1}).encode("utf-16") + b"\n",
    ],
)
def test_hostile_lines_are_an_error_and_no_crash(line: bytes) -> None:
    for lines, number in (([line], 1), ([record()[0], line], 2)):
        assert wrong(lines, key=PUBLIC)[0] == number
        assert wrong(lines)[0] == number


def _with(line: bytes, **fields: Any) -> bytes:
    return canonical({**json.loads(line), **fields}) + b"\n"


@pytest.mark.parametrize(
    "fields",
    [
        {"n": True}, {"n": 0}, {"n": 1.0}, {"v": 2}, {"seq": -1}, {"time": "yesterday"}, {"time": "2026-11-27T08:00:00"},
        {"run": {}}, {"run": {"name": 1, "namespace": "n", "uid": "u"}}, {"sig": "ed25519:"}, {"hash": "x"}, {"more": 1},
        {"data": [1]}, {"prev": "sha256:" + "A" * 64},
    ],
)  # fmt: skip
def test_a_malformed_entry_is_refused(fields: dict[str, Any]) -> None:
    assert wrong([_with(record()[0], **fields)], key=PUBLIC)[0] == 1


def test_a_key_that_is_none_is_refused() -> None:
    assert "no public key" in wrong(record(), key="abc")[1]
    nameless = [
        make(KEY, RUN, None, kind=RUN_CREATED, data={}, time="2026-11-27T08:00:00Z", seq=0).line + b"\n"
    ]
    assert wrong(nameless)[0] == wrong(nameless, key=PUBLIC)[0] == 1


# -- what messages put on the record


def _fact(kind: str, **fields: Any) -> tuple[str, dict[str, Any]] | None:
    return fact(Message(kind, RUN, "tools", "e", 1, whole(kind, fields)))


def test_each_type_of_message_is_recorded_or_is_known_not_to_be() -> None:
    for kind in TYPES:
        made = _fact(kind)
        assert (made is None) == (kind in UNRECORDED), kind
        if made is not None:
            assert made[0] in KINDS
            canonical(made[1])


def test_no_argument_and_no_secret_is_on_the_record() -> None:
    canary = "CANARY-argument"
    said = [
        _fact("tool.intent", args={"command": canary}, verdict={"action": "deny", "rule": "r", "reason": f"token={SECRET}"}),
        _fact("approval", args={"command": canary}, reason=SECRET, preview={"kind": "diff", "text": canary, "truncated": False}),
        _fact("approval.decided", comment=f"use {SECRET}"),
        _fact("tool.approval", comment=f"password: {SECRET}"),
        _fact("tool.outcome", summary=canary),
        _fact("run.result", result=canary, error=canary),
        _fact("spawn", task=canary),
        _fact("schedule", task=canary),
        _fact("request.answered", text=canary),
        _fact("run.cancel", reason=SECRET),
        _fact("policy.changed", policy={"name": "p", "generation": 1, "digest": "sha256:" + 64 * "0", "layers": canary}),
    ]  # fmt: skip
    text = json.dumps(said)
    assert None not in said
    assert canary not in text
    assert SECRET not in text


def test_what_a_policy_decided_is_on_the_record() -> None:
    audited = {"action": "deny", "rule": "toolGating.rules[2]", "reason": "no"}
    verdict = {"action": "allow", "rule": "defaultAction", "reason": "yes", "audited": audited}
    made = _fact("tool.intent", verdict=verdict)
    assert made is not None
    assert made[1]["verdict"] == verdict


def test_a_long_text_is_shortened_where_one_sees_it() -> None:
    made = _fact("approval.decided", comment="x" * 100_000)
    assert made is not None
    assert "left out" in made[1]["comment"]
    assert len(made[1]["comment"]) < 1100


# -- what a writer with the key could sign, and may not


def _chain(*parts: tuple[str, int], data: dict[str, Any] | None = None) -> list[bytes]:
    """Entries of these kinds and places, well signed and chained."""
    entries: list[Entry] = []
    for kind, seq in parts:
        more = {"key": PUBLIC} if kind == RUN_CREATED else (data or {})
        last = entries[-1] if entries else None
        entries.append(make(KEY, RUN, last, kind=kind, data=more, time="2026-11-27T08:00:00Z", seq=seq))
    return [entry.line + b"\n" for entry in entries]


@pytest.mark.parametrize(
    ("lines", "line", "words"),
    [
        (_chain((RUN_CREATED, 0), (RUN_ENDED, 1), ("call.intent", 2)), 3, f"an entry after {RUN_ENDED}"),
        (_chain((RUN_CREATED, 0), ("call.intent", 5), ("call.outcome", 4)), 3, "from message 4, after one from"),
        (_chain(("call.intent", 0), (RUN_ENDED, 1)), 1, "begins with entry 1, run.created"),
        (_chain((RUN_CREATED, 0), ("x", 1), data={"a": 1.5}), 2, "not whole"),
        (_chain((RUN_CREATED, 0), ("x", 1), data=json.loads('{"a":' * 40 + "1" + "}" * 40)), 2, "nested too deeply"),
    ],
)  # fmt: skip
def test_a_signed_entry_that_does_not_belong_is_refused(lines: list[bytes], line: int, words: str) -> None:
    found, text = wrong(lines, key=PUBLIC)
    assert (found, words in text) == (line, True), text


def test_a_signed_entry_of_another_run_is_refused() -> None:
    first = make(KEY, RUN, None, kind=RUN_CREATED, data={"key": PUBLIC}, time="2026-11-27T08:00:00Z", seq=0)
    other = RunRef(RUN.namespace, RUN.name, "uid-2")
    second = make(KEY, other, first, kind=RUN_ENDED, data={}, time="2026-11-27T08:00:00Z", seq=1)
    assert "another run" in wrong([first.line + b"\n", second.line + b"\n"], key=PUBLIC)[1]


def test_a_first_entry_that_names_another_key_is_refused() -> None:
    data = {"key": messages.public_text(messages.new_key().public_key())}
    entry = make(KEY, RUN, None, kind=RUN_CREATED, data=data, time="2026-11-27T08:00:00Z", seq=0)
    assert "names another key" in wrong([entry.line + b"\n"], key=PUBLIC, is_open=True)[1]
