"""`sympozium policy check`: mistakes that admission would refuse, and what it would let pass and nobody means."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import ValidationError

from sympozium.api.policy import SympoziumPolicy
from sympozium.cli.failures import EXIT_ERROR, CommandError
from sympozium.cli.output import paint, plain, say
from sympozium.cli.policy import sources
from sympozium.cli.policy.sources import KIND, Sourced
from sympozium.policy.check import problems
from sympozium.policy.lint import lint


@dataclass(frozen=True, slots=True)
class Finding:
    """`level` is `error` (admission refuses it) or `warning`."""

    file: str
    line: int
    level: str
    policy: str
    path: str
    message: str
    cure: str = ""


def run(paths: list[Path], *, strict: bool, output: str | None) -> int:
    """Print what is found; 1 when there are errors, or with `strict` anything. Raises CommandError."""
    documents = sources.read(paths)
    policies = [d for d in documents if d.obj.get("kind") == KIND]
    if not policies:
        raise CommandError(f"no {KIND} in {', '.join(map(str, paths))}")
    findings = [finding for policy in policies for finding in of(policy)]
    errors = sum(finding.level == "error" for finding in findings)
    if output == "json":
        say(json.dumps([asdict(finding) for finding in findings], indent=2, ensure_ascii=False))
    else:
        for finding in findings:
            _print(finding)
        others = len(documents) - len(policies)
        more = f"; {_count(others, 'object')} of other kinds not looked at" if others else ""
        say(
            f"{_count(len(policies), KIND)}: {_count(errors, 'error')}, {_count(len(findings) - errors, 'warning')}{more}"
        )
    return EXIT_ERROR if errors or (strict and findings) else 0


def of(document: Sourced) -> list[Finding]:
    """What is wrong with one policy, in the order of its lines."""
    name = str((document.obj.get("metadata") or {}).get("name") or "(no name)")

    def finding(level: str, path: str, message: str, cure: str = "") -> Finding:
        return Finding(document.file, document.line(path), level, name, path, message, cure)

    try:
        policy = SympoziumPolicy.model_validate(document.obj)
    except ValidationError as exc:
        return [finding("error", path, words) for path, words in sources.problems(exc)]
    found = [finding("error", v.field, v.message, v.instead) for v in problems(policy.spec)]
    if not policy.name:
        found.append(finding("error", "metadata", "metadata.name is missing"))
    found += [finding("warning", v.field, v.message, v.instead) for v in lint(policy)]
    return sorted(found, key=lambda f: (f.line, f.level))


def _print(finding: Finding) -> None:
    level = paint("31" if finding.level == "error" else "33", finding.level)
    cure = f" ({finding.cure})" if finding.cure else ""
    say(f"{finding.file}:{finding.line}: {level}: {finding.path}: {plain(finding.message + cure)}")


def _count(number: int, noun: str) -> str:
    plural = noun[:-1] + "ies" if noun.endswith("y") else noun + "s"
    return f"{number} {noun if number == 1 else plural}"
