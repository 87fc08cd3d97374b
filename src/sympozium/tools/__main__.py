"""Entry point of the `tools` container: reads its files, and puts the parts together."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from pathlib import Path

from sympozium import undumpable
from sympozium.api.runconfig import TOOLS_FILE, ToolsConfigFile
from sympozium.bus.credentials import Credentials, CredentialsError
from sympozium.bus.errors import BusError
from sympozium.bus.publisher import Publisher
from sympozium.shell.client import ShellClient
from sympozium.telemetry import logs, tracecontext
from sympozium.tools.approvals import Approvals
from sympozium.tools.builtin import Builtin
from sympozium.tools.calls import Calls
from sympozium.tools.catalogue import Catalogue
from sympozium.tools.consent import Consent
from sympozium.tools.fetch import is_public
from sympozium.tools.journal import Journal
from sympozium.tools.judge import Judge
from sympozium.tools.live import Live
from sympozium.tools.previews import Previews
from sympozium.tools.requests import Requests
from sympozium.tools.server import ToolServer
from sympozium.tools.skills import Skill

_log = logging.getLogger("sympozium.tools")


async def serve(*, config: ToolsConfigFile, credentials: Credentials, path: str, journal: Journal) -> None:
    """Serve the run until SIGTERM or SIGINT, and flush."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    record = await Publisher.open(credentials)
    try:
        limits = config.limits
        shells = [target for target in config.targets if target.kind == "shell"]
        skills = [
            Skill(target.name, target.socket, start_wait=limits.start_seconds)
            for target in config.targets
            if target.kind == "skill"
        ]
        live = Live(config, journal)
        approvals = Approvals(journal, live.news)
        requests = Requests(journal, record)
        catalogue = Catalogue(skills=skills, has_shell=bool(shells), has_memory=config.memory)
        judge = Judge(config, catalogue, live)
        shell = ShellClient(shells[0].socket if shells else "")
        consent = Consent(
            journal=journal,
            approvals=approvals,
            record=record,
            live=live,
            previews=Previews(shell=shell, catalogue=catalogue, judge=judge),
        )
        calls = Calls(
            config=config,
            live=live,
            judge=judge,
            catalogue=catalogue,
            builtin=Builtin(shell=shell, judge=judge, live=live, allowed=is_public),
            journal=journal,
            consent=consent,
            record=record,
            requests=requests,
        )
        server = ToolServer(
            path=path,
            calls=calls,
            skills=skills,
            approvals=approvals,
            requests=requests,
            live=live,
            record=record,
        )
        await server.serve(stop)
    finally:
        await record.close()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m sympozium.tools")
    parser.add_argument("--run-dir", type=Path, default=Path("/etc/sympozium/run"))
    parser.add_argument("--bus-dir", type=Path, default=Path("/etc/sympozium/bus"))
    parser.add_argument("--socket", default="/run/sympozium/tools/mcp.sock")
    parser.add_argument("--journal-dir", type=Path, default=Path("/var/lib/sympozium/journal"))
    options = parser.parse_args(arguments)
    undumpable.when_asked()
    logs.setup("tools")
    try:
        config = ToolsConfigFile.model_validate_json((options.run_dir / TOOLS_FILE).read_bytes())
        credentials = Credentials.load(options.bus_dir)
        journal = Journal(options.journal_dir)
        of_run = logs.bind(namespace=config.run.namespace, run=config.run.name)
        with of_run, tracecontext.within(tracecontext.parse(config.traceparent)):
            asyncio.run(serve(config=config, credentials=credentials, path=options.socket, journal=journal))
    except (OSError, ValueError, CredentialsError, BusError) as error:
        _log.error("tools cannot work: %s", error)
        return 1
    journal.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
