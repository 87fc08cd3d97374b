"""Which command lines can be tried without effect, and how: kubectl with `--dry-run=server`. Pure.

A command line is understood when a shell would make nothing of it but words, the first is `kubectl`, and every flag is
one of those below. Everything else is not tried: a pipe, a variable, a second command, `--server`, `--token`, `--raw`,
a flag `--dry-run` of its own, a file from the network. What is tried is thus what would run, with two flags added.
"""

from __future__ import annotations

import difflib
import json
import re
import shlex
from typing import Any, NamedTuple

import yaml

MAX_OBJECTS = 20
"""Objects whose state before is looked up."""
MASK = "[masked]"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_WORD = r"""(?:[A-Za-z0-9_@%+=:,./^-]|'[^']*'|"[^"$`\\!]*")+"""
_PLAIN = re.compile(rf"[ \t]*{_WORD}(?:[ \t]+{_WORD})*[ \t\n]*")
_VERBS = frozenset(
    {
        "annotate",
        "apply",
        "autoscale",
        "create",
        "delete",
        "expose",
        "label",
        "patch",
        "replace",
        "scale",
        "set",
    }
)
_WITH_VALUE = _words(
    """-n --namespace -f --filename -l --selector -p --patch --type --patch-file --replicas --current-replicas -c
    --containers --field-manager --field-selector --from-literal --from-file --image --port --target-port --name --tcp
    --schedule --class --rule --clusterrole --role --verb --resource --user --group --serviceaccount --subresource
    --limits --requests --min --max --cpu-percent --grace-period --timeout --hard
    -o --output"""
)
_FILES = frozenset({"-f", "--filename", "--patch-file", "--from-file"})
_OUTPUT = frozenset({"-o", "--output"})
_ALONE = _words(
    """--all -A --all-namespaces --overwrite --server-side --force-conflicts -R --recursive --ignore-not-found --wait
    --now --save-config --cascade --validate"""
)
"""Switches. With a value only behind `=`: kubectl takes the next word for something else, and so do we."""
_OF_DELETE = _words("--all --wait --now --cascade --grace-period --timeout --ignore-not-found")
_NOISE = ("managedFields", "resourceVersion", "uid", "creationTimestamp", "generation", "selfLink")
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


class NotUnderstoodError(Exception):
    """Why a command line is not tried."""


class Trial(NamedTuple):
    """Arguments of a kubectl that changes nothing and prints what would be there.

    For a deletion `gone` are the arguments that show what is there: the dry run prints names alone.
    """

    argv: list[str]
    gone: list[str] | None = None


def trial(command: str) -> Trial:
    """How to try a command line. Raises NotUnderstoodError."""
    if not _PLAIN.fullmatch(command):
        raise NotUnderstoodError(
            "only one kubectl command without variables, pipes and other words of the shell is tried"
        )
    program, *words = shlex.split(command)
    if program != "kubectl":
        raise NotUnderstoodError("only kubectl can be tried without effect")
    kept, verb = _checked(words)
    if verb not in _VERBS:
        raise NotUnderstoodError(f"kubectl {verb or ''} cannot be tried without effect")
    if verb != "delete":
        return Trial([*kept, "--dry-run=server", "--output=json"])
    return Trial([*kept, "--dry-run=server", "--output=name"], _get(kept))


def _get(words: list[str]) -> list[str]:
    """The arguments of a deletion as those of a get of the same objects."""
    kept, rest, verb = [], iter(words), False
    for word in rest:
        name, equals, _ = word.partition("=")
        if name in _OF_DELETE:
            if name in _WITH_VALUE and not equals:
                next(rest)
        elif word == "delete" and not verb:
            kept.append("get")
            verb = True
        else:
            kept += [word, next(rest)] if word in _WITH_VALUE else [word]
    return [*kept, "--output=json"]


def _checked(words: list[str]) -> tuple[list[str], str | None]:
    """The words without `--output`, and the verb."""
    kept, verb = [], None
    rest = iter(words)
    for word in rest:
        name, equals, value = word.partition("=")
        if not word.startswith("-"):
            verb = verb or word
            kept.append(word)
        elif name in _WITH_VALUE:
            given = value if equals else next(rest, None)
            if given is None or given.startswith("-") or (equals and not name.startswith("--")):
                raise NotUnderstoodError(f"{word[:80]!r} has no value that is read in one way only")
            if name in _FILES and (given.endswith("=-") or given == "-" or "://" in given):
                raise NotUnderstoodError("a file from standard input or from the network cannot be tried")
            if name not in _OUTPUT:
                kept += [word] if equals else [word, given]
        elif name in _ALONE:
            kept.append(word)
        else:
            raise NotUnderstoodError(f"kubectl with {name[:80]!r} is not tried")
    return kept, verb


def objects(output: str) -> list[dict[str, Any]]:
    """The objects that kubectl printed as JSON: one, a List, or several one after the other. Raises ValueError."""
    found: list[dict[str, Any]] = []
    decoder, at = json.JSONDecoder(), 0
    while at < len(output.rstrip()):
        value, at = decoder.raw_decode(output, at + len(output[at:]) - len(output[at:].lstrip()))
        found += value["items"] if value.get("kind", "").endswith("List") and "items" in value else [value]
    return found


def lookup(obj: dict[str, Any]) -> list[str]:
    """Arguments that show an object as it is; no output when there is none."""
    metadata = obj["metadata"]
    group, _, version = str(obj["apiVersion"]).rpartition("/")
    kind = f"{obj['kind']}.{version}.{group}"
    where = [f"--namespace={metadata['namespace']}"] if metadata.get("namespace") else []
    return ["get", *where, "--ignore-not-found", "--output=json", "--", kind, str(metadata["name"])]


def difference(before: dict[str, Any] | None, after: dict[str, Any] | None) -> str:
    """What changes in one object, as a unified diff of YAML; secret values are masked, a changed one says so."""
    some = after or before
    assert some is not None
    metadata = some["metadata"]
    name = "/".join(str(p) for p in (metadata.get("namespace"), some["kind"], metadata["name"]) if p)
    old, new = _clean(before), _clean(after)
    if some["kind"] == "Secret":
        old, new = _masked(old, new), _masked(new, old, MASK[:-1] + ", changed]")
    diff = list(
        difflib.unified_diff(
            _yaml(old),
            _yaml(new),
            name if before else "/dev/null",
            name if after else "/dev/null",
            lineterm="",
        )
    )
    return "\n".join(diff) if diff else f"{name}: no change"


def _clean(obj: dict[str, Any] | None) -> dict[str, Any]:
    if obj is None:
        return {}
    metadata = {k: v for k, v in obj["metadata"].items() if k not in _NOISE}
    notes = {k: v for k, v in (metadata.pop("annotations", None) or {}).items() if k != _LAST_APPLIED}
    cleaned = {k: v for k, v in obj.items() if k != "status"}
    return cleaned | {"metadata": metadata | ({"annotations": notes} if notes else {})}


def _masked(obj: dict[str, Any], other: dict[str, Any], changed: str = MASK) -> dict[str, Any]:
    masked = dict(obj)
    for field in ("data", "stringData"):
        values, others = obj.get(field) or {}, other.get(field) or {}
        if values:
            masked[field] = {
                k: changed if k in others and others[k] != v else MASK for k, v in values.items()
            }
    return masked


def _yaml(obj: dict[str, Any]) -> list[str]:
    return yaml.safe_dump(obj, sort_keys=True, allow_unicode=True, width=200).splitlines() if obj else []
