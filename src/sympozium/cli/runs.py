"""`sympozium run`: make an AgentRun; with --watch, follow it and tell its result by the exit code."""

from sympozium.actions import runs
from sympozium.actions.errors import MissingError
from sympozium.actions.runs import Wanted
from sympozium.cli.failures import EXIT_RUN_CANCELLED, EXIT_RUN_FAILED
from sympozium.cli.output import plain, say
from sympozium.cli.session import Session
from sympozium.kube.resources import Object


async def start(session: Session, wanted: Wanted) -> str:
    """Create the run; returns its name."""
    made = await runs.start(session.client, session.namespace, wanted)
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
