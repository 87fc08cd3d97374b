"""The typed read tools: their schemas, and from arguments to an argument vector. Pure.

Nothing here can become a flag: values of flags are joined with `=`, positional arguments come
behind `--`, and both are checked against what Kubernetes allows as a name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_TAIL = 5000

_RESOURCE = re.compile(r"[A-Za-z][A-Za-z0-9.,-]{0,250}")
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.:_-]{0,251}[A-Za-z0-9])?")
_SELECTOR = re.compile(r"[A-Za-z0-9!(][A-Za-z0-9 ./_=!,()-]{0,1000}")
_FIELDS = re.compile(r"[A-Za-z][A-Za-z0-9 ./_=!,:-]{0,1000}")
_DURATION = re.compile(r"(\d{1,6}(\.\d{1,3})?(ms|s|m|h))+")
_OBJECT = re.compile(r"[A-Za-z][A-Za-z0-9.]*/[A-Za-z0-9][A-Za-z0-9.-]*")

Schema = dict[str, Any]
Arguments = dict[str, Any]


class ArgumentError(Exception):
    """An argument that kubectl must not see; the text names it and says what it may be."""


class Read(NamedTuple):
    """One tool: what the model is told, and how its call becomes kubectl's arguments."""

    name: str
    description: str
    schema: Schema
    argv: Callable[[Arguments], list[str]]


def _checked(arguments: Arguments, key: str, pattern: re.Pattern[str], what: str) -> str | None:
    value = arguments.get(key)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ArgumentError(f"{key} is {value!r}; it must be {what}")
    return value


def _scope(arguments: Arguments) -> list[str]:
    namespace = _checked(arguments, "namespace", _NAME, "the name of a namespace")
    everywhere = arguments.get("all_namespaces", False)
    if everywhere not in (True, False):
        raise ArgumentError(f"all_namespaces is {everywhere!r}; it must be true or false")
    if namespace and everywhere:
        raise ArgumentError("namespace and all_namespaces exclude each other; give one of them")
    if everywhere:
        return ["--all-namespaces"]
    return [f"--namespace={namespace}"] if namespace else []


def _flag(name: str, value: str | None) -> list[str]:
    return [f"--{name}={value}"] if value is not None else []


def _kind(arguments: Arguments) -> str:
    resource = _checked(
        arguments, "resource", _RESOURCE, "a resource as kubectl names it, such as pods or deployments.apps"
    )
    if resource is None:
        raise ArgumentError("resource is missing; give a resource as kubectl names it, such as pods")
    return resource


def _name(arguments: Arguments) -> str | None:
    return _checked(arguments, "name", _NAME, "the name of one object")


def _get(arguments: Arguments) -> list[str]:
    output = arguments.get("output") or None
    if output not in (None, "wide", "yaml", "json", "name"):
        raise ArgumentError(f"output is {output!r}; it must be wide, yaml, json or name")
    name = _name(arguments)
    if name and arguments.get("all_namespaces"):
        raise ArgumentError("name needs one namespace; leave all_namespaces out")
    return [
        "get",
        *_scope(arguments),
        *_flag("selector", _checked(arguments, "selector", _SELECTOR, "a label selector such as app=web")),
        *_flag("field-selector", _checked(arguments, "field_selector", _FIELDS, "a field selector such as status.phase=Pending")),
        *_flag("output", output),
        "--",
        _kind(arguments),
        *([name] if name else []),
    ]  # fmt: skip


def _describe(arguments: Arguments) -> list[str]:
    name = _name(arguments)
    selector = _checked(arguments, "selector", _SELECTOR, "a label selector such as app=web")
    if name and (selector or arguments.get("all_namespaces")):
        raise ArgumentError("name excludes selector and all_namespaces; give one of them")
    return [
        "describe",
        *_scope(arguments),
        *_flag("selector", selector),
        "--",
        _kind(arguments),
        *([name] if name else []),
    ]


def _logs(arguments: Arguments) -> list[str]:
    name = _name(arguments)
    if name is None:
        raise ArgumentError("name is missing; give the name of a pod")
    tail = arguments.get("tail", 200)
    if not isinstance(tail, int) or isinstance(tail, bool) or not 1 <= tail <= MAX_TAIL:
        raise ArgumentError(f"tail is {tail!r}; it must be a number of lines from 1 to {MAX_TAIL}")
    return [
        "logs",
        *_scope({"namespace": arguments.get("namespace")}),
        *_flag("container", _checked(arguments, "container", _NAME, "the name of a container")),
        *_flag("since", _checked(arguments, "since", _DURATION, "a duration such as 15m")),
        f"--tail={tail}",
        *(["--previous"] if arguments.get("previous") is True else []),
        "--",
        name,
    ]


def _events(arguments: Arguments) -> list[str]:
    kinds = _checked(arguments, "types", re.compile("Normal|Warning|Normal,Warning"), "Normal or Warning")
    return [
        "events",
        *_scope(arguments),
        *_flag("for", _checked(arguments, "for", _OBJECT, "kind/name, such as pod/web-1")),
        *_flag("types", kinds),
    ]


def _schema(required: list[str], **properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _text(description: str) -> Schema:
    return {"type": "string", "description": description}


_NAMESPACE = _text("Namespace; without it the one that the agent runs in.")
_EVERYWHERE: Schema = {"type": "boolean", "description": "All namespaces instead of one."}
_LABELS = _text("Label selector, such as app=web,tier!=cache.")
_RESOURCE_NAME = _text("Resource as kubectl names it: pods, nodes, deployments, jobs, events, ...")

READS: tuple[Read, ...] = (
    Read(
        "kubectl_get",
        "List objects of a Kubernetes resource, or show one. Read-only; runs kubectl get.",
        _schema(
            ["resource"],
            resource=_RESOURCE_NAME,
            name=_text("Name of one object; without it all are listed."),
            namespace=_NAMESPACE,
            selector=_LABELS,
            field_selector=_text("Field selector, such as status.phase=Pending."),
            all_namespaces=_EVERYWHERE,
            output={"type": "string", "enum": ["wide", "yaml", "json", "name"], "description": "Output format; a table without it."},
        ),
        _get,
    ),
    Read(
        "kubectl_describe",
        "Show an object with its state, conditions and events. Read-only; runs kubectl describe.",
        _schema(
            ["resource"],
            resource=_RESOURCE_NAME,
            name=_text("Name of one object; without it all that the selector finds."),
            namespace=_NAMESPACE,
            selector=_LABELS,
            all_namespaces=_EVERYWHERE,
        ),
        _describe,
    ),
    Read(
        "kubectl_logs",
        "Show what a container of a pod has logged. Read-only; runs kubectl logs.",
        _schema(
            ["name"],
            name=_text("Name of the pod."),
            namespace=_NAMESPACE,
            container=_text("Container; needed when the pod has several."),
            previous={"type": "boolean", "description": "Of the instance before the last restart."},
            tail={"type": "integer", "minimum": 1, "maximum": MAX_TAIL, "description": "Last lines to show; 200 without it."},
            since=_text("Only what is newer, such as 15m."),
        ),
        _logs,
    ),
    Read(
        "kubectl_events",
        "List events, oldest first. Read-only; runs kubectl events.",
        _schema(
            [],
            namespace=_NAMESPACE,
            all_namespaces=_EVERYWHERE,
            **{"for": _text("Only those about one object, as kind/name: pod/web-1.")},
            types={"type": "string", "enum": ["Normal", "Warning"], "description": "Only of this type."},
        ),
        _events,
    ),
)  # fmt: skip
