"""What `doctor` prints: words of objects that anybody may have written."""

from collections.abc import AsyncIterator

import pytest

from sympozium.actions.doctor import Finding
from sympozium.cli import doctor


async def test_what_objects_say_moves_no_cursor(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def examine(*_: object) -> AsyncIterator[tuple[str, Finding]]:
        yield "nodes", Finding(False, "n\x1b[2Jot ready", "see \x9b1A\u202eit")

    monkeypatch.setattr(doctor, "examine", examine)
    session = type("S", (), {"client": None, "namespace": "n"})()
    assert await doctor.doctor(session) == 1
    shown = capsys.readouterr().out
    assert "n\\x1b[2Jot ready" in shown
    assert not {"\x1b", "\x9b", "\u202e"} & set(shown)
