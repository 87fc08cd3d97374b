"""What a person reads before deciding: nothing in it may pass for something else."""

from typing import Any, cast

import pytest

from sympozium.cli import approvals
from sympozium.cli.session import Session


class _Api:
    def __init__(self, obj: dict[str, Any]) -> None:
        self._obj = obj

    async def find(self, *_: object) -> dict[str, Any]:
        return self._obj


async def test_no_line_of_an_argument_passes_for_another(capsys: pytest.CaptureFixture[str]) -> None:
    args = {"content": "x\npath: notes/harmless", "path": "conf.yaml"}
    spec = {"tool": "write_file", "runRef": "r", "args": args, "argsDigest": "d"}
    session = Session(cast("Any", _Api({"spec": spec})), "default")
    await approvals.show(session, "a")
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("  path:")] == ["  path: conf.yaml"]
