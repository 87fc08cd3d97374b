"""YAML as Kubernetes' own tools read it, for manifests that people write.

PyYAML's C loader with the resolvers of `sigs.k8s.io/yaml` (go-yaml v2): `yes`, `no`, `on` and `off` are
booleans, a date is text, `1:30` is text (PyYAML alone makes it 90), `1e3` is a number. A key that
stands twice is an error with both lines, since the second would silently win.
"""

import re
from collections.abc import Hashable
from typing import Any, Final

import yaml

_BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

_MOST_VALUES: Final = 1_000_000
_INT: Final = re.compile(r"^[-+]?(?:0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|(?:0|[1-9][0-9_]*))$")
_FLOAT: Final = re.compile(
    r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
)


class YamlError(ValueError):
    """The text is not YAML that can be taken; the message says where (`source:line:column`) and why."""


class _Loader(_BASE):  # type: ignore[misc]
    """The C loader with our resolvers and constructors."""


class _Dumper(_DUMPER):  # type: ignore[misc]
    """Block style, multi-line text as literal blocks."""


def load_all(text: str | bytes, source: str = "<input>") -> list[Any]:
    """The documents of a stream, without the empty ones. Raises YamlError."""
    try:
        _check_aliases(text, source)
        return [document for document in yaml.load_all(text, Loader=_Loader) if document is not None]
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        where = f"{source}:{mark.line + 1}:{mark.column + 1}" if mark else source
        words = ": ".join(part for part in (exc.context, exc.problem) if part)
        raise YamlError(
            f"{where}: not valid YAML: {words} (line {mark.line + 1})" if mark else f"{where}: {words}"
        ) from exc
    except yaml.YAMLError as exc:
        raise YamlError(f"{source}: not valid YAML: {' '.join(str(exc).split())}") from exc
    except YamlError:
        raise
    except (RecursionError, ValueError) as exc:
        raise YamlError(f"{source}: not valid YAML: {exc}") from exc


def _check_aliases(text: str | bytes, source: str) -> None:
    """Few lines can stand for billions of values, by aliases of aliases. Raises YamlError for too many."""
    marks = ("&", "*") if isinstance(text, str) else (b"&", b"*")
    if not all(mark in text for mark in marks):  # type: ignore[operator]  # both are of the text's type
        return
    for node in yaml.compose_all(text, Loader=_Loader):
        if _size(node, {}) > _MOST_VALUES:
            raise YamlError(
                f"{source}: aliases make this more than {_MOST_VALUES} values: write fewer of them"
            )


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """How many values a node stands for, with its aliases written out. One within itself is endless."""
    if isinstance(node, yaml.ScalarNode):
        return 1
    if id(node) not in known:
        known[id(node)] = _MOST_VALUES + 1
        children = (
            node.value if isinstance(node, yaml.SequenceNode) else [x for pair in node.value for x in pair]
        )
        known[id(node)] = 1 + sum(_size(child, known) for child in children)
    return known[id(node)]


def load(text: str | bytes, source: str = "<input>") -> Any:
    """The one document of a text, None for an empty one. Raises YamlError, also for a second document."""
    documents = load_all(text, source)
    if len(documents) > 1:
        raise YamlError(f"{source}: holds {len(documents)} documents where one is expected")
    return documents[0] if documents else None


def lines(text: str | bytes, source: str = "<input>") -> list[dict[str, int]]:
    """For each document that `load_all` returns, the line (from 1) of each field, by its path (`spec.rules[0].tool`).

    The empty path is the document itself. Raises YamlError.
    """
    load_all(text, source)  # what is wrong is said in its words
    found: list[dict[str, int]] = []
    for node in yaml.compose_all(text, Loader=_Loader):
        if isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null":
            continue
        found.append({})
        try:
            _note_lines(node, "", node.start_mark.line + 1, found[-1])
        except RecursionError as exc:
            raise YamlError(f"{source}: not valid YAML: too deep") from exc
    return found


def _note_lines(node: yaml.Node, path: str, line: int, found: dict[str, int]) -> None:
    if path in found:
        return  # an alias leads here a second time
    found[path] = line
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            name = str(getattr(key, "value", ""))
            _note_lines(value, f"{path}.{name}" if path else name, key.start_mark.line + 1, found)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _note_lines(item, f"{path}[{index}]", item.start_mark.line + 1, found)


def dump(obj: Any) -> str:
    """For people: block style, keys in their order, long text as it is."""
    text: str = yaml.dump(
        obj, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=4096, default_flow_style=False
    )
    return text


def _construct_mapping(loader: Any, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: dict[Any, int] = {}
    for key_node, _ in node.value:
        if key_node.tag == "tag:yaml.org,2002:merge":  # what is merged in may be overridden
            continue
        key = loader.construct_object(key_node, deep=True)
        line = key_node.start_mark.line + 1
        if not isinstance(key, Hashable):
            raise yaml.constructor.ConstructorError(None, None, "a key is not a scalar", key_node.start_mark)
        if key in seen:
            problem = f"the key {key!r} stands twice, in line {seen[key]} and in line {line}"
            raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
        seen[key] = line
    mapping: dict[Any, Any] = yaml.constructor.SafeConstructor.construct_mapping(loader, node, deep=True)
    return mapping


def _construct_int(loader: Any, node: yaml.ScalarNode) -> int:
    value = loader.construct_scalar(node).replace("_", "")
    sign, digits = (-1, value[1:]) if value.startswith("-") else (1, value.lstrip("+"))
    if digits.startswith(("0x", "0b", "0o")):
        return sign * int(digits, 0)
    return sign * int(digits, 8 if len(digits) > 1 and digits.startswith("0") else 10)


def _represent_text(dumper: Any, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    if _INT.match(text) or _FLOAT.match(text):
        style = "'"  # `0E0` is text to PyYAML's resolvers, and a number to ours
    node: yaml.ScalarNode = dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)
    return node


def _resolvers() -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    """PyYAML's, less the dates, with go-yaml's numbers in the place of its own."""
    ours = {
        "tag:yaml.org,2002:int": (_INT, "-+0123456789"),
        "tag:yaml.org,2002:float": (_FLOAT, "-+0123456789."),
    }
    dropped = {"tag:yaml.org,2002:timestamp", *ours}
    table = {
        first: [entry for entry in entries if entry[0] not in dropped]
        for first, entries in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    for tag, (pattern, firsts) in ours.items():
        for first in firsts:
            table.setdefault(first, []).append((tag, pattern))
    return table


_Loader.yaml_implicit_resolvers = _resolvers()
_Loader.add_constructor("tag:yaml.org,2002:map", _construct_mapping)
_Loader.add_constructor("tag:yaml.org,2002:int", _construct_int)
# Text that our loader, or another one's, would take for something else is quoted by these resolvers.
_Dumper.add_representer(str, _represent_text)
