"""YAML as the API server reads and writes it: JSON's types, y and n are booleans, no dates, no sexagesimal numbers.

Loaded when the first YAML body or `Accept: application/yaml` arrives. libyaml when PyYAML has it.
"""

from math import isfinite, isnan
from types import NoneType
from typing import Any

import yaml

from sympozium.localkube.depth import MAX_DEPTH

MAX_ALIASED = 100_000
"""So many nodes may aliases add to a document."""
MAX_NODES = 200_000
"""Of a document. Each takes ten microseconds and half a kilobyte, and nothing else is answered meanwhile."""

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_DROPPED = {"tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:int", "tag:yaml.org,2002:float",
            "tag:yaml.org,2002:bool"}  # fmt: skip


class YAMLBodyError(ValueError):
    """Not YAML, or not YAML that JSON can say."""


class _Loader(_Base):  # type: ignore[misc]
    """Collects duplicate keys; the last one wins, as in JSON."""

    def __init__(self, stream: bytes) -> None:
        super().__init__(stream)
        self.duplicates: list[tuple[str, int]] = []


def _key(key: Any, node: yaml.Node) -> str:
    """JSON's keys are texts."""
    if isinstance(key, bool):
        return "true" if key else "false"
    return str(key) if isinstance(key, int) else str(node.value)


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    loader.flatten_mapping(node)
    made: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        text = key if isinstance(key, str) else _key(key, key_node)
        if text in made:
            loader.duplicates.append((text, key_node.start_mark.line + 1))
        made[text] = loader.construct_object(value_node, deep=True)
    return made


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)
# YAML 1.2's core schema, which sigs.k8s.io/yaml follows for everything but y/yes/on (kept as booleans).
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in rules if tag not in _DROPPED]
    for first, rules in _Base.yaml_implicit_resolvers.items()
}


def _boolean(_loader: _Loader, node: yaml.ScalarNode) -> bool:
    return str(node.value).lower() in {"y", "yes", "true", "on"}


_Loader.add_constructor("tag:yaml.org,2002:bool", _boolean)


def _resolvers() -> None:
    import re

    _Loader.add_implicit_resolver(
        "tag:yaml.org,2002:bool",
        re.compile(
            r"^(?:true|True|TRUE|false|False|FALSE|y|Y|yes|Yes|YES|n|N|no|No|NO|on|On|ON|off|Off|OFF)$"
        ),
        list("tTfFyYnNoO"),
    )
    _Loader.add_implicit_resolver(
        "tag:yaml.org,2002:int", re.compile(r"^[-+]?(?:0|[1-9][0-9_]*|0x[0-9a-fA-F_]+|0o?[0-7_]+|0b[01_]+)$"),
        list("-+0123456789"),
    )  # fmt: skip
    _Loader.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(
            r"^(?:[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9]+|[0-9]+)(?:[eE][-+]?[0-9]+)?"
            r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
        ),
        list("-+0123456789."),
    )


_resolvers()


def load(raw: bytes) -> tuple[Any, list[tuple[str, int]]]:
    """The first document, and the keys that occur twice in a mapping, with their lines. Raises YAMLBodyError."""
    loader = _Loader(raw)
    try:
        _count(raw)
        # Of several documents the first counts.
        node = loader.get_node() if loader.check_node() else None
        if node is None:
            return None, []
        _measure(node)
        return _plain(loader.construct_document(node)), loader.duplicates
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise YAMLBodyError(_go_text(error)) from error
    finally:
        loader.dispose()


def _go_text(error: Exception) -> str:
    """Both readers are libyaml's: its problem and the line where it was, in the other one's form."""
    if isinstance(error, YAMLBodyError):
        return str(error)
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem is None:
        return f"yaml: {error}"
    mark = error.context_mark or error.problem_mark
    return f"yaml: {'' if mark is None else f'line {mark.line + 1}: '}{error.problem}"


def _count(raw: bytes) -> None:
    """Refuses documents of too many nodes, before anything is built of them."""
    if sum(map(raw.count, (b",", b"\n", b"\r", b"[", b"{", b": ", b"- ", b"? "))) * 2 < MAX_NODES:
        return
    nodes = 0
    for event in yaml.parse(raw, Loader=_Base):
        if isinstance(event, yaml.DocumentEndEvent):
            return
        nodes += isinstance(event, yaml.NodeEvent)
        if nodes > MAX_NODES:
            raise YAMLBodyError(f"document has more than {MAX_NODES} values: send it as JSON")


def _measure(root: yaml.Node) -> None:
    """Refuses documents that are too deep, or grow out of measure when their aliases are written out."""
    known: dict[int, tuple[int, int]] = {}

    def visit(node: yaml.Node, depth: int) -> tuple[int, int]:
        """How many nodes it stands for, and how deep they are nested."""
        found = known.get(id(node))
        if found is None:
            if depth > MAX_DEPTH:
                raise YAMLBodyError(_TOO_DEEP)
            inner: list[yaml.Node] = []
            if isinstance(node, yaml.MappingNode):
                inner = [part for pair in node.value for part in pair]
            elif isinstance(node, yaml.SequenceNode):
                inner = node.value
            size, height = 1, 0
            for part in inner:
                more, below = visit(part, depth + 1)
                size, height = size + more, max(height, below + 1)
            found = known[id(node)] = size, height
        if depth + found[1] > MAX_DEPTH:
            raise YAMLBodyError(_TOO_DEEP)
        return found

    size = visit(root, 0)[0]
    if size > len(known) + MAX_ALIASED:
        raise YAMLBodyError("document contains excessive aliasing")


_TOO_DEEP = f"exceeded max depth: at most {MAX_DEPTH} levels"


def _plain(value: Any) -> Any:
    """JSON's types only, and nothing twice that can be changed: two aliases are two values."""
    kind = type(value)
    if kind is dict:
        return {key: _plain(inner) for key, inner in value.items()}
    if kind is list:
        return [_plain(inner) for inner in value]
    if kind is int:
        return value if -(2**63) <= value < 2**64 else _finite(float(value))
    if kind is float:
        return _finite(value)
    if kind is bytes:
        return value.decode()
    if kind in {str, bool, NoneType}:
        return value
    raise YAMLBodyError(f"JSON has no {kind.__name__}")


def _finite(value: float) -> float:
    if not isfinite(value):
        raise YAMLBodyError(
            f"json: unsupported value: {'NaN' if isnan(value) else '+Inf' if value > 0 else '-Inf'}"
        )
    return value


def dump(obj: Any) -> bytes:
    text = yaml.dump(obj, Dumper=_Dumper, default_flow_style=False, sort_keys=True, allow_unicode=True)
    return str(text).encode()
