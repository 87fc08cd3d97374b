import asyncio
import io
import json
import logging
from collections.abc import Iterator

import pytest

from sympozium.telemetry import logs


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    stream = io.StringIO()
    logs.setup("tester", stream=stream)
    yield stream
    root.handlers[:] = before
    root.setLevel(level)


def _lines(out: io.StringIO) -> list[dict[str, str]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_record_is_one_line_of_json(out: io.StringIO) -> None:
    logging.getLogger("a.b").warning("two\nlines of %s", "größe")
    (line,) = _lines(out)
    assert (line["level"], line["component"], line["logger"]) == ("warning", "tester", "a.b")
    assert line["message"] == "two\nlines of größe"
    assert line["time"].endswith("+00:00")


def test_an_exception_is_in_its_line(out: io.StringIO) -> None:
    try:
        int("why")
    except ValueError:
        logging.getLogger("x").exception("failed")
    (line,) = _lines(out)
    assert "ValueError: invalid literal" in line["exception"]


async def test_bound_fields_belong_to_their_task(out: io.StringIO) -> None:
    async def work(name: str) -> None:
        with logs.bind(run=name):
            await asyncio.sleep(0)
            with logs.bind(step="1"):
                logging.getLogger("x").info("in %s", name)

    await asyncio.gather(work("a"), work("b"))
    logging.getLogger("x").info("outside")
    first, second, outside = _lines(out)
    assert (first["run"], first["step"], second["run"]) == ("a", "1", "b")
    assert "run" not in outside


def test_libraries_that_tell_of_every_request_are_quiet(out: io.StringIO) -> None:
    logging.getLogger("httpx2").info("GET /")
    logging.getLogger("httpx2").warning("odd")
    assert [line["message"] for line in _lines(out)] == ["odd"]
