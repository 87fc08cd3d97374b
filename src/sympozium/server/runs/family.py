"""The family of a run: its parents, and all that they started. From the copies, in one namespace."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from sympozium.kube.resources import Object, Objects
from sympozium.server.copies import RUNS, Copies

LEVELS: Final = 32
"""Of a tree that are shown: no policy of sense lets runs start runs so deep, and JSON must end somewhere."""


@dataclass(slots=True)
class Tree:
    """`hidden` counts the runs below the last level that is shown."""

    run: Object
    children: "list[Tree]" = field(default_factory=list)
    hidden: int = 0


def parent(run: Object) -> str | None:
    """The name of the run that started it."""
    found = (run["spec"].get("parent") or {}).get("runName")
    return str(found) if found else None


def children(copies: Copies, namespace: str, name: str) -> Objects:
    """Runs that it started itself."""
    return [run for run in copies[RUNS].list(namespace) if parent(run) == name]


def tree(copies: Copies, namespace: str, name: str) -> Tree | None:
    """From the first ancestor that is still there; None for a run that is not."""
    runs = {run["metadata"]["name"]: run for run in copies[RUNS].list(namespace)}
    if name not in runs:
        return None
    root = _root(runs, name)
    trees = {each: Tree(run) for each, run in runs.items()}
    for each, run in sorted(runs.items(), key=lambda item: _born(item[1])):
        above = parent(run)
        if above in trees and each != root:
            trees[above].children.append(trees[each])
    _cut(trees[root])
    return trees[root]


def _cut(tree: Tree) -> None:
    level = [tree]
    for _ in range(LEVELS - 1):
        level = [child for each in level for child in each.children]
    for each in level:
        below, each.children = each.children, []
        while below:
            each.hidden += len(below)
            below = [child for one in below for child in one.children]


def _root(runs: Mapping[str, Object], name: str) -> str:
    """Names may be used again, so a line of parents may come back to itself: it is followed once."""
    seen = {name}
    while (above := parent(runs[name])) in runs and above is not None and above not in seen:
        seen.add(above)
        name = above
    return name


def _born(run: Object) -> tuple[str, str]:
    return run["metadata"]["creationTimestamp"], run["metadata"]["name"]
