"""`sympozium policy test DIR`: the assertions of `*.test.yaml` files, judged by the policies beside them."""

from dataclasses import asdict
from pathlib import Path

from sympozium.actions.policies import testing
from sympozium.actions.policies.testing import Outcome
from sympozium.cli.failures import EXIT_ERROR
from sympozium.cli.output import paint, plain, print_value, say


def run(paths: list[Path], *, output: str | None) -> int:
    """Print each test's outcome; 1 when one failed. Raises ActionError."""
    report = testing.run(paths)
    code = EXIT_ERROR if report.failed else 0
    if output:
        tests = [asdict(outcome) for outcome in report.outcomes]
        print_value({"tests": tests, "untestedRules": report.untested}, output)
        return code
    for outcome in report.outcomes:
        _print(outcome)
    for place in report.untested:
        say(f"{paint('33', 'untested')}  {place}")
    say(
        f"{len(report.outcomes)} tests, {len(report.failed)} failed, {len(report.untested)} rules that no test reaches"
    )
    return code


def _print(outcome: Outcome) -> None:
    name = plain(outcome.test)
    if not outcome.problem:
        say(f"{paint('32', 'pass')}  {name}")
        return
    say(f"{paint('31', 'FAIL')}  {name}  ({outcome.file}:{outcome.line})")
    say(f"      {plain(outcome.problem)}")
    for label, text in (("rule", outcome.rule), ("because", outcome.reason)):
        if text:
            say(f"      {label}: {plain(text)}")
