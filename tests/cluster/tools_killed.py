"""A tool server's parts in a process of its own that kills itself at one step of the journal: `DIR STEP before|after`."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import tools_parts

from sympozium.tools.journal import Decision, Journal

CALL = {"call": "c", "tool": "execute_command", "arguments": {"command": "echo x >> log; cat log"}}
ASK = {"toolGating": {"defaultAction": "ask", "rules": []}}


class Killed(Journal):
    """Dies around the step that is named on the command line."""

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name != sys.argv[2]:
            return found

        def step(*args: Any, **kwargs: Any) -> Any:
            if sys.argv[3] == "after":
                found(*args, **kwargs)
            os.kill(os.getpid(), signal.SIGKILL)

        return step


async def main() -> None:
    directory = Path(sys.argv[1])
    tools_parts.Journal = Killed  # type: ignore[attr-defined]
    made = tools_parts.parts(directory, tools_parts.config(directory, **ASK))
    task = asyncio.create_task(made.calls.call(**CALL))
    await tools_parts.until(lambda: made.record.requests)
    await made.approvals.decided(Decision("c", made.record.requests[0]["argsDigest"], "Approved"))
    await task


if __name__ == "__main__":
    asyncio.run(main())
