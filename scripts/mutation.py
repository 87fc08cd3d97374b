"""Change each line of what governs, one at a time, and see whether a unit test turns red.

Run by `make mutation` in an environment of its own (`.venv-mutation`); what is changed and which tests run
stands in pyproject.toml under `tool.mutmut`. `OF=policy` limits it to one package, or to one module
(`OF=tools.calls`). Prints the score of each module; the changes that no test saw are written, as diffs, to
`mutants/survivors-<package>.txt`. Exit code 1 when the score of a package is below the bar.
"""

import argparse
import collections
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MUTANTS = ROOT / "mutants"
BAR = 90.0
# A change after which the tests hang or the interpreter dies is seen as well.
_SEEN = {"killed", "timeout", "segfault", "caught by type check"}


@dataclass
class Module:
    """The changes of one module: names of those that a test saw, and of those that none did."""

    path: str
    seen: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)
    unclear: list[str] = field(default_factory=list)

    @property
    def package(self) -> str:
        return Path(self.path).parent.name


def run(of: str, workers: int) -> None:
    """Make the mutants and judge them. What an earlier run found is thrown away: tests may have changed."""
    shutil.rmtree(MUTANTS, ignore_errors=True)
    pattern = f"sympozium.{of}*" if of else "sympozium*"
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", str(workers), pattern]
    # Tests that start a Python of their own find the unchanged source; the random comparison is kept short, since it
    # would run for each of some thousand changes.
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "SYMPOZIUM_DIFFERENTIAL": "300"}
    with (ROOT / "mutants.log").open("w") as log:
        done = subprocess.run(command, cwd=ROOT, stdout=log, stderr=log, check=False, env=environ)
    if done.returncode:
        sys.exit(
            f"mutmut ended with {done.returncode}; do the unit tests pass without a change? see mutants.log"
        )


def modules(of: str) -> list[Module]:
    from mutmut.stats import status_by_exit_code

    found = []
    for meta in sorted((MUTANTS / "src/sympozium").rglob("*.meta")):
        module = Module(str(meta.relative_to(MUTANTS).with_suffix("")))
        for name, code in json.loads(meta.read_text())["exit_code_by_key"].items():
            status = status_by_exit_code[code]
            if not name.startswith(f"sympozium.{of}") or status == "not checked":
                continue
            (module.seen if status in _SEEN else
             module.unseen if status in ("survived", "no tests") else module.unclear).append(name)  # fmt: skip
        if module.seen or module.unseen or module.unclear:
            found.append(module)
    return found


def table(found: list[Module]) -> dict[str, float]:
    """Print it; returns the score of each package in percent."""
    print(f"{'module':52} {'changes':>8} {'seen':>6} {'unseen':>7} {'score':>7}")
    totals: dict[str, list[int]] = collections.defaultdict(lambda: [0, 0])
    for module in found:
        seen, unseen = len(module.seen), len(module.unseen)
        print(f"{module.path:52} {seen + unseen:8} {seen:6} {unseen:7} {_percent(seen, unseen):6.1f} %")
        if module.unclear:
            print(f"    not judged (interrupted?): {', '.join(module.unclear)}")
        totals[module.package][0] += seen
        totals[module.package][1] += unseen + len(module.unclear)
    scores = {package: _percent(*counts) for package, counts in totals.items()}
    for package, score in scores.items():
        seen, unseen = totals[package]
        print(f"{package + ', in all':52} {seen + unseen:8} {seen:6} {unseen:7} {score:6.1f} %")
    return scores


def _percent(seen: int, unseen: int) -> float:
    return 100.0 * seen / (seen + unseen) if seen + unseen else 100.0


def survivors(found: list[Module]) -> None:
    """The diffs of the changes that no test saw, a file for each package."""
    from mutmut.mutation.diff_apply import get_diff_for_mutant

    texts: dict[str, list[str]] = collections.defaultdict(list)
    for module in found:
        for name in module.unseen:
            texts[module.package].append(f"# {name}\n{get_diff_for_mutant(name, path=module.path)}")
    for package, diffs in texts.items():
        path = MUTANTS / f"survivors-{package}.txt"
        path.write_text("\n".join(diffs))
        print(f"{len(diffs)} unseen changes: {path.relative_to(ROOT)}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--of", default="", help="package or module beneath sympozium; all without it")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--report", action="store_true", help="of the last run, without a new one")
    options = parser.parse_args()
    if not options.report:
        run(options.of, options.workers)
    found = modules(options.of)
    scores = table(found)
    survivors(found)
    low = {package: score for package, score in scores.items() if score < BAR}
    for package, score in low.items():
        print(f"{package}: {score:.1f} % is below {BAR:g} %", file=sys.stderr)
    return 1 if low or not found else 0


if __name__ == "__main__":
    sys.exit(main())
