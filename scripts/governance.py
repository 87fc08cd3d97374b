"""docs/governance.md: for each field of SympoziumPolicy where it binds, and which test proves it.

The table is data, `tests/governance.yaml`; here it is checked against the code (a row for each field of the model,
functions and tests that exist) and written as a page. `make generate` writes it, the unit tests run `problems`.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, get_args

import yaml

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "tests/governance.yaml"
PAGE = ROOT / "docs/governance.md"
POINTS = ("admission", "planning", "call", "live")

INTRODUCTION = """# Governance: where each field binds, and how we know

Generated from `tests/governance.yaml` by `make generate`; `make check` and the unit tests fail when a field of
SympoziumPolicy has no row, or a row names a function or a test that is not there.

A policy binds at four points, and each asks the same pure functions in `sympozium.policy`:

- **admission**: the webhook judges the object that somebody applies. What is refused here has no pod.
- **planning**: the controller judges again when the run may start, and builds the pod by the policy.
- **call**: the tool server judges each call with its arguments. It is outside of the process that the model talks to.
- **live**: a change of the policy binds runs that are going on.

Each test named here tries to get around the field at that point, on a whole control plane (`sympozium up`), and turns
red when the enforcement is taken out. **Attacks** are transcripts of hostile models in `tests/hostile/attacks`, played
under the policy and with policy off (`make attacks` prints the table); canaries in files, Secrets, network and cluster
decide, never what a model answered. `make mutation` changes each line of `policy`, `webhook` and the gate and
counts the changes that no test saw.

How to try it yourself: take a row, write the policy, do what the test does, and then something else.
"""


@dataclass(frozen=True, slots=True)
class Point:
    """`by`: `module:function` beneath `sympozium`; `tests`: `path::function`; `attacks`: names of the corpus."""

    by: tuple[str, ...]
    tests: tuple[str, ...]
    attacks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """`means` is what to know about the field; `points` those of POINTS at which it binds."""

    field: str
    means: str
    points: dict[str, Point]


def rows() -> list[Row]:
    return [
        Row(
            item["field"], item["means"],
            {
                name: Point(tuple(item[name]["by"]), tuple(item[name].get("tests", ())), tuple(item[name].get("attacks", ())))
                for name in POINTS
                if name in item
            },
        )
        for item in yaml.safe_load(TABLE.read_text())
    ]  # fmt: skip


def fields() -> list[str]:
    """Every field of the spec of a policy that has a value of its own."""
    from sympozium.api.policy import PolicySpec

    return list(_fields(PolicySpec, ""))


def _fields(model: Any, path: str) -> Iterator[str]:
    from sympozium.api.base import Model
    from sympozium.api.shared import RBACRule, SeccompProfile

    for name, info in model.model_fields.items():
        where = f"{path}{info.alias or name}"
        inner = next(
            (t for t in _types(info.annotation) if isinstance(t, type) and issubclass(t, Model)), None
        )
        if inner is None or inner in (RBACRule, SeccompProfile):
            yield where
        else:
            many = any(getattr(t, "__origin__", None) is list for t in _annotations(info.annotation))
            yield from _fields(inner, f"{where}{'[]' if many else ''}.")


def _annotations(annotation: Any) -> Iterator[Any]:
    yield annotation
    for inner in get_args(annotation):
        yield from _annotations(inner)


def _types(annotation: Any) -> Iterator[Any]:
    return (found for found in _annotations(annotation) if not get_args(found))


def problems() -> list[str]:
    """What is wrong with the table, in words; empty when it holds."""
    found = []
    table = rows()
    named = [row.field for row in table]
    found += [f"{field} has no row" for field in fields() if field not in named]
    found += [f"{field} is no field of SympoziumPolicy" for field in named if field not in fields()]
    found += [f"{field} has two rows" for field in set(named) if named.count(field) > 1]
    corpus = _attacks()
    for row in table:
        if not row.points:
            found.append(f"{row.field} binds nowhere")
        for name, point in row.points.items():
            where = f"{row.field}, {name}"
            found += [f"{where}: there is no function {by}" for by in point.by if not _function(by)]
            found += [f"{where}: there is no test {test}" for test in point.tests if not _test(test)]
            found += [
                f"{where}: there is no attack {attack}" for attack in point.attacks if attack not in corpus
            ]
            if not point.by or not (point.tests or point.attacks):
                found.append(f"{where}: names no function, or neither test nor attack")
    return found


@cache
def _attacks() -> frozenset[str]:
    files = (ROOT / "tests/hostile/attacks").glob("*.yaml")
    return frozenset(attack["name"] for path in files for attack in yaml.safe_load(path.read_text()))


@cache
def _names(path: Path) -> frozenset[str]:
    """Functions of a file, methods as `Class.method`."""
    if not path.exists():
        return frozenset()
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            found |= {
                f"{node.name}.{inner.name}"
                for inner in node.body
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef)
            }
    return frozenset(found)


def _function(by: str) -> bool:
    module, _, name = by.partition(":")
    return name in _names(ROOT / "src/sympozium" / (module.replace(".", "/") + ".py"))


def _test(test: str) -> bool:
    path, _, name = test.partition("::")
    return name.startswith("test_") and name in _names(ROOT / path)


def markdown() -> str:
    table = rows()
    lines = [INTRODUCTION, f"| field | {' | '.join(POINTS)} |", f"|---|{'---|' * len(POINTS)}"]
    lines += [
        f"| [`{row.field}`](#{_anchor(row.field)}) | {' | '.join(_cell(row.points.get(p)) for p in POINTS)} |"
        for row in table
    ]
    for row in table:
        lines += [f"\n## {row.field}\n", row.means.strip()]
        lines += [line for name in row.points for line in _section(name, row.points[name])]
    return "\n".join(lines)


def _anchor(field: str) -> str:
    return "".join(c for c in field.lower() if c.isalnum() or c in "-_")


def _cell(point: Point | None) -> str:
    if point is None:
        return ""
    parts = [f"{len(point.tests)} test{'s' if len(point.tests) > 1 else ''}"] if point.tests else []
    parts += [f"{len(point.attacks)} attack{'s' if len(point.attacks) > 1 else ''}"] if point.attacks else []
    return f"`{point.by[0]}`<br>{', '.join(parts)}"


def _section(name: str, point: Point) -> list[str]:
    lines = [f"\n**{name}**: {', '.join(f'`{by}`' for by in point.by)}\n"]
    for test in point.tests:
        path, _, function = test.partition("::")
        lines.append(f"- [`{function}`](../{path})")
    if point.attacks:
        lines.append(f"- attacks: {', '.join(point.attacks)}")
    return lines
