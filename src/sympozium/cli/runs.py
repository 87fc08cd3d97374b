"""`sympozium run`: make an AgentRun; with --watch, follow it and tell its result by the exit code."""

import os

from sympozium.actions import runs
from sympozium.actions.errors import MissingError
from sympozium.actions.runs import Wanted
from sympozium.cli.failures import EXIT_RUN_CANCELLED, EXIT_RUN_FAILED
from sympozium.cli.output import check_format, full_name, plain, print_objects, say
from sympozium.cli.session import Session
from sympozium.kube.resources import Object
from sympozium.telemetry import tracecontext


async def start(session: Session, wanted: Wanted, *, output: str | None = None) -> str:
    """Create the run, in the trace that TRACEPARENT names, and say so; returns its name."""
    check_format(output)
    with tracecontext.within(tracecontext.parse(os.environ.get("TRACEPARENT"))):
        made = await runs.start(session.client, session.namespace, wanted)
    if output in ("json", "yaml", "name"):
        print_objects([made], output, many=False)
    else:
        say(f"{full_name(made)} created")
    return str(made["metadata"]["name"])


async def find(session: Session, name: str) -> Object:
    """The object of a run. Raises MissingError that says where all are."""
    try:
        return await runs.find(session.client, session.namespace, name)
    except MissingError as exc:
        raise with_cure(exc) from None


def with_cure(exc: MissingError) -> MissingError:
    """The same, and where all runs are shown."""
    return MissingError(f"{exc}; `sympozium get agentruns -A` shows all")


async def result(session: Session, name: str) -> int:
    """Print how a run ended; the exit code says it too. Waits for the terminal phase."""
    run = await runs.terminal(session.client, session.namespace, name)
    status = run.get("status") or {}
    phase = status.get("phase")
    if phase == "Succeeded":
        return 0
    say(plain(f"{phase}: {status.get('reason')}: {status.get('error') or ''}".rstrip(": ")))
    return EXIT_RUN_CANCELLED if phase == "Cancelled" else EXIT_RUN_FAILED
