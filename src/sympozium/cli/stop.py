"""`sympozium stop` and `resume`: hold runs where they are, and let them go on; what is said is what is so."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sympozium.actions import stop as action
from sympozium.actions.errors import UsageError
from sympozium.actions.runs import has_ended
from sympozium.actions.stop import Key, Outcome, Which
from sympozium.cli.failures import EXIT_ERROR, one_line
from sympozium.cli.output import plain, print_value, say
from sympozium.cli.progress import working
from sympozium.cli.session import Session
from sympozium.kube.resources import Object, key_of


@dataclass(frozen=True, slots=True)
class Asked:
    """The runs that the command line means."""

    names: Sequence[str] = ()
    selector: str | None = None
    everything: bool = False
    everywhere: bool = False

    def which(self, namespace: str) -> Which:
        """Raises UsageError unless exactly one way was chosen."""
        if (bool(self.names), self.selector is not None, self.everything).count(True) != 1:
            raise UsageError("name runs, or --selector LABELS, or --all: one of the three")
        if self.everywhere and self.selector is None:
            raise UsageError("-A goes with --selector")
        return Which(None if self.everywhere else namespace, self.names, self.selector, self.everything)


async def stop(
    session: Session, asked: Asked, *, kill: bool, seconds: float, output: str | None = None
) -> int:
    """Returns the exit code: 0 when every run is known to stand still."""
    which = asked.which(session.namespace)

    def told(refused: str) -> None:
        if refused:
            _tell(f"the installation is NOT stopped, runs may start: {one_line(refused)}", output)
        else:
            _tell("the installation is stopped: nothing starts, by schedules neither", output)

    with working("waiting for the runs' word"):
        outcome = await action.stop(session.client, which, kill=kill, seconds=seconds, told=told)
    _hint(which, outcome)
    if output:
        done = has_ended if kill else action.stands
        return _print_value(outcome, done, output, stopped=which.everything and not outcome.refused)
    return _report_stop(outcome, seconds, kill=kill)


def _tell(words: str, output: str | None) -> None:
    """Beside what a program reads."""
    print(words, file=sys.stderr if output else sys.stdout, flush=True)


def _hint(which: Which, outcome: Outcome) -> None:
    """A selector with a mistake in it finds nothing, which looks like success."""
    if which.selector is not None and not outcome.runs and not outcome.own:
        where = f"in namespace {which.namespace} (-A looks in all)" if which.namespace else "in any namespace"
        print(
            f"no run that has not ended has the labels {plain(which.selector)} {where}: see them with"
            " sympozium get agentruns -o yaml",
            file=sys.stderr,
        )


def _print_value(outcome: Outcome, done: Callable[[Object], bool], output: str, *, stopped: bool) -> int:
    """The shape of `POST /api/v1/stop`; the exit code."""
    late = outcome.late(done)
    items = [
        {
            "namespace": key[0],
            "name": key[1],
            "state": "refused" if key in outcome.failed else "unknown" if key in late else _state(run),
            "inFlight": action.in_flight(run) or None,
            "problem": outcome.failed.get(key),
        }
        for key, run in sorted(outcome.runs.items())
    ]
    print_value(
        {"items": items, "stopped": stopped, "problem": outcome.refused or outcome.blind or None}, output
    )
    return EXIT_ERROR if outcome.failed or late or outcome.blind or outcome.refused else 0


def _state(run: Object) -> str:
    if has_ended(run):
        return "ended"
    return "frozen" if action.is_frozen(run) else "running" if action.goes_on(run) else "not started"


async def resume(session: Session, asked: Asked, *, seconds: float, output: str | None = None) -> int:
    """Returns the exit code: 0 when every run is known to go on."""
    which = asked.which(session.namespace)
    with working("waiting for the runs' word"):
        outcome = await action.resume(
            session.client, which, seconds=seconds,
            told=lambda: _tell("the installation is resumed: runs start again", output),
        )  # fmt: skip
    _hint(which, outcome)
    if output:
        return _print_value(outcome, action.goes_on, output, stopped=False)
    for key in outcome.own:
        say(f"{_name(key)} stays suspended by its own spec: sympozium resume {key[1]} -n {key[0]}")
    late = outcome.late(action.goes_on)
    done = len(outcome.runs) - len(late)
    say(f"resumed: {done} of {len(outcome.runs)} runs in {outcome.milliseconds} ms")
    return _say_problems(outcome, late, "goes on", seconds)


def _report_stop(outcome: Outcome, seconds: float, *, kill: bool) -> int:
    late = outcome.late(has_ended if kill else action.stands)
    still = [run for key, run in outcome.runs.items() if key not in late]
    frozen = [run for run in still if action.is_frozen(run)]
    flying = [run for run in frozen if action.in_flight(run)]
    if kill:
        say(f"ended: {len(still)} of {len(outcome.runs)} runs in {outcome.milliseconds} ms")
    else:
        ended = sum(map(has_ended, still))
        say(
            f"frozen: {len(frozen)} of {len(outcome.runs)} runs in {outcome.milliseconds} ms, {len(flying)} with a call in"
            f" flight; {_not_started(still) - len(frozen)} not started, {ended} ended meanwhile"
        )
    for run in plain(flying):
        say(f"  {_name(key_of(run))}: {action.in_flight(run)}")
    code = _say_problems(outcome, late, "has ended" if kill else "stands still", seconds)
    return EXIT_ERROR if outcome.refused else code


def _not_started(still: list[Object]) -> int:
    return sum(not has_ended(run) for run in still)


def _say_problems(outcome: Outcome, late: dict[Key, Object], what: str, seconds: float) -> int:
    """What was not done, each in a line; the exit code."""
    for key, words in sorted(outcome.failed.items()):
        say(f"not told: {_name(key)}: {one_line(words)}")
    for key, run in sorted(late.items()):
        if key not in outcome.failed:
            status = run.get("status") or {}
            words = (
                action.message_of(run)
                or f"{status.get('phase') or 'new'} ({status.get('reason') or 'no reason'})"
            )
            say(f"not known whether it {what} after {seconds:.0f} s: {_name(key)}: {plain(words)}")
    if outcome.blind:
        say(f"the runs could not be watched: {one_line(outcome.blind)}")
    return EXIT_ERROR if outcome.failed or late or outcome.blind else 0


def _name(key: Key) -> str:
    return f"{key[0]}/{key[1]}"
