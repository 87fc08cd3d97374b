"""Logs: written as the CRI has it, read as `kubectl logs` asks."""

import asyncio
from pathlib import Path

import pytest

from sympozium.node import logs
from sympozium.node.logs import LogWriter, Query


def written(path: Path, *pieces: tuple[str, bytes]) -> LogWriter:
    writer = LogWriter(path)
    for stream, data in pieces:
        writer.feed(stream, data)
    return writer


async def read(path: Path, writer: LogWriter | None = None, **query: object) -> bytes:
    return b"".join([c async for c in logs.read(path, Query(**query), writer)])  # type: ignore[arg-type]


async def test_round_trip_of_any_pieces(tmp_path: Path) -> None:
    path = tmp_path / "d" / "0.log"
    written(path, ("stdout", b"on"), ("stderr", b"err\n"), ("stdout", b"e\ntwo\nno end")).close()
    assert await read(path) == b"err\none\ntwo\nno end"
    assert await read(path, stream="stderr") == b"err\n"
    lines = path.read_text().splitlines()
    assert [line.split(" ")[1:3] for line in lines] == [
        ["stderr", "F"], ["stdout", "F"], ["stdout", "F"], ["stdout", "P"],
    ]  # fmt: skip


async def test_long_lines_are_kept_whole(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    long = b"x" * (logs.LINE_LIMIT * 2 + 10)
    written(path, ("stdout", long[:100]), ("stdout", long[100:] + b"\nnext\n")).close()
    assert await read(path) == long + b"\nnext\n"
    assert max(len(line) for line in path.read_bytes().splitlines()) < logs.LINE_LIMIT + 100


@pytest.mark.parametrize(("query", "expected"), [
    ({"tail": 2}, b"b\nc\n"), ({"tail": 0}, b""), ({"limit_bytes": 3}, b"a\nb"), ({"limit_bytes": 0}, b""),
    ({"tail": 1, "limit_bytes": 1}, b"c"), ({"since": "2999-01-01T00:00:00.000000000Z"}, b""),
    ({"since": "1999-01-01T00:00:00.000000000Z"}, b"a\nb\nc\n"),
])  # fmt: skip
async def test_queries(tmp_path: Path, query: dict[str, object], expected: bytes) -> None:
    path = tmp_path / "0.log"
    written(path, ("stdout", b"a\nb\nc\n")).close()
    assert await read(path, **query) == expected


async def test_timestamps(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    written(path, ("stdout", b"a\n")).close()
    when, text = (await read(path, timestamps=True)).split(b" ", 1)
    assert text == b"a\n"
    assert len(when) == len(b"2026-01-01T00:00:00.000000000Z")


async def test_follow_until_the_writer_closes(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    writer = written(path, ("stdout", b"first\n"))
    chunks = logs.read(path, Query(follow=True), writer)
    assert await anext(chunks) == b"first\n"
    asyncio.get_running_loop().call_soon(writer.feed, "stdout", b"second\n")
    async with asyncio.timeout(60):
        assert await anext(chunks) == b"second\n"
        asyncio.get_running_loop().call_soon(writer.close)
        assert [c async for c in chunks] == []


async def test_rotation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "ROTATE_BYTES", 400)
    path = tmp_path / "0.log"
    writer = LogWriter(path)
    for number in range(60):
        writer.feed("stdout", b"line %03d\n" % number)
    writer.close()
    assert len(logs.files(path)) == logs.ROTATE_FILES
    kept = (await read(path)).decode().splitlines()
    assert kept[-1] == "line 059"
    assert kept == sorted(kept)
    assert len(kept) < 60  # the oldest are gone


async def test_follow_over_a_rotation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "ROTATE_BYTES", 400)
    path = tmp_path / "0.log"
    writer = written(path, ("stdout", b"start\n"))
    chunks = logs.read(path, Query(follow=True), writer)
    assert await anext(chunks) == b"start\n"

    def write_all() -> None:
        for number in range(8):
            writer.feed("stdout", b"line %03d\n" % number)
        writer.close()

    asyncio.get_running_loop().call_soon(write_all)
    async with asyncio.timeout(60):
        text = b"".join([c async for c in chunks]).decode().splitlines()
    assert text == [f"line {n:03d}" for n in range(8)]


def test_discard_leaves_nothing(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path / "0.log")
    writer.discard()
    assert not (tmp_path / "0.log").exists()


def test_tail_text(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    written(path, ("stdout", b"".join(b"%d\n" % n for n in range(200)))).close()
    assert logs.tail_text(path, lines=2) == "198\n199\n"
    assert len(logs.tail_text(path, limit=10)) == 10


def test_since_time() -> None:
    assert logs.since_time("2026-01-01T01:00:00+01:00") == "2026-01-01T00:00:00.000000000Z"
    with pytest.raises(ValueError, match="nonsense"):
        logs.since_time("nonsense")
