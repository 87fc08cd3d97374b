"""Entry point of the `agent` container.

The start is on the path that a person waits for: the SDKs (0.3 s for `openai`, more for `mcp`)
load in a thread while this process waits for the bus and for the tool server.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import logging
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sympozium import undumpable
from sympozium.agent.outcome import Outcome, RunError
from sympozium.agent.transcript import Transcript
from sympozium.api.runconfig import AGENT_FILE, AgentConfigFile
from sympozium.bus.credentials import Credentials, CredentialsError
from sympozium.bus.errors import BusError
from sympozium.bus.publisher import Publisher
from sympozium.telemetry import logs, tracecontext

if TYPE_CHECKING:
    from collections.abc import Callable

    from sympozium.agent.loop import Loop

_log = logging.getLogger("sympozium.agent")

FAREWELL = 8.0
"""Seconds that the result of a stopped run may take to reach the stream; the pod's grace is longer."""


async def run(
    *, config: AgentConfigFile, credentials: Credentials, path: str, write: Callable[[Outcome], None]
) -> Outcome:
    """The run, up to its acknowledged result. SIGTERM and SIGINT end it as Cancelled.

    `write` gets the outcome before it is published: should the bus be away until the pod is killed,
    the termination message still says how the run ended.
    """
    transcript = Transcript()
    publisher = await _publisher(credentials)
    try:
        outcome = await _supervised(config, publisher, path, transcript)
        transcript.end(outcome)
        write(outcome)
        await _publish_result(publisher, outcome)
        return outcome
    finally:
        await publisher.close()


async def _publish_result(publisher: Publisher, outcome: Outcome) -> None:
    """A result waits for the stream however long that takes; a run that is being stopped cannot."""
    try:
        async with asyncio.timeout(FAREWELL if outcome.reason == "Cancelled" else None):
            await publisher.publish("run.result", outcome.event())
    except TimeoutError:
        _log.error("the end of the run is in the termination message only: the bus did not take it in time")


async def _publisher(credentials: Credentials) -> Publisher:
    """Connect, with the model's SDK loading in the meantime."""
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.to_thread(importlib.import_module, "sympozium.agent.sdk"))
        opening = group.create_task(Publisher.open(credentials))
    return opening.result()


async def _supervised(
    config: AgentConfigFile, publisher: Publisher, path: str, transcript: Transcript
) -> Outcome:
    from sympozium.agent.loop import Loop
    from sympozium.agent.model import Model
    from sympozium.agent.toolbox import Toolbox

    async def work() -> Outcome:
        try:
            model = Model(config.model)
        except RunError as error:
            return Outcome(error.reason, error=str(error))
        try:
            async with Toolbox(path) as toolbox:
                loop.append(Loop(config, model, toolbox, publisher, transcript))
                return await loop[0].run()
        except RunError as error:  # the tool server never came up
            return Outcome(error.reason, error=str(error))
        finally:
            await model.close()

    loop: list[Loop] = []
    task = asyncio.create_task(work())
    running = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        running.add_signal_handler(number, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        text = "the run was stopped from outside (SIGTERM): cancelled, deleted, or its pod had to go"
        return loop[0].ended("Cancelled", text) if loop else Outcome("Cancelled", error=text)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m sympozium.agent")
    parser.add_argument("--run-dir", type=Path, default=Path("/etc/sympozium/run"))
    parser.add_argument("--bus-dir", type=Path, default=Path("/etc/sympozium/bus"))
    parser.add_argument("--socket", default="/run/sympozium/tools/mcp.sock")
    parser.add_argument("--termination-log", type=Path, default=Path("/dev/termination-log"))
    options = parser.parse_args(arguments)
    undumpable.when_asked()
    logs.setup("agent")

    def write(outcome: Outcome) -> None:
        try:
            options.termination_log.write_bytes(outcome.termination_message())
        except OSError as error:
            _log.warning("the termination message cannot be written: %s", error)

    try:
        config = AgentConfigFile.model_validate_json((options.run_dir / AGENT_FILE).read_bytes())
        credentials = Credentials.load(options.bus_dir)
        of_run = logs.bind(namespace=config.run.namespace, run=config.run.name)
        with of_run, tracecontext.within(tracecontext.parse(config.traceparent)):
            outcome = asyncio.run(
                run(config=config, credentials=credentials, path=options.socket, write=write)
            )
    except (OSError, ValueError, CredentialsError, BusError) as error:
        # Without files or bus there is no record to write to: the termination message is what is left.
        outcome = Outcome("ConfigError", error=str(error))
        _log.error("the agent cannot work: %s", error)
        write(outcome)
    return outcome.exit_code


if __name__ == "__main__":
    sys.exit(main())
