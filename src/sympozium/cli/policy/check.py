"""`sympozium policy check`: mistakes that admission would refuse, and what it would let pass and nobody means."""

from dataclasses import asdict
from pathlib import Path

from sympozium.actions.policies import check, sources
from sympozium.actions.policies.check import Finding
from sympozium.actions.policies.sources import KIND
from sympozium.cli.failures import EXIT_ERROR, CommandError
from sympozium.cli.output import paint, plain, print_value, say


def run(paths: list[Path], *, strict: bool, output: str | None) -> int:
    """Print what is found; 1 when there are errors, or with `strict` anything. Raises CommandError, ActionError."""
    documents = sources.read(paths)
    policies = [d for d in documents if d.obj.get("kind") == KIND]
    if not policies:
        raise CommandError(f"no {KIND} in {', '.join(map(str, paths))}")
    findings = [finding for policy in policies for finding in check.of(policy)]
    errors = sum(finding.level == "error" for finding in findings)
    if output:
        print_value([asdict(finding) for finding in findings], output)
    else:
        for finding in findings:
            _print(finding)
        others = len(documents) - len(policies)
        more = f"; {_count(others, 'object')} of other kinds not looked at" if others else ""
        say(
            f"{_count(len(policies), KIND)}: {_count(errors, 'error')}, {_count(len(findings) - errors, 'warning')}{more}"
        )
    return EXIT_ERROR if errors or (strict and findings) else 0


def _print(finding: Finding) -> None:
    level = paint("31" if finding.level == "error" else "33", finding.level)
    cure = f" ({finding.cure})" if finding.cure else ""
    say(f"{finding.file}:{finding.line}: {level}: {finding.path}: {plain(finding.message + cure)}")


def _count(number: int, noun: str) -> str:
    plural = noun[:-1] + "ies" if noun.endswith("y") else noun + "s"
    return f"{number} {noun if number == 1 else plural}"
