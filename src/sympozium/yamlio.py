"""YAML as Kubernetes' own tools read it, for manifests that people write.

PyYAML's C loader with the resolvers of `sigs.k8s.io/yaml` (go-yaml v2): `yes`, `no`, `on` and `off` are
booleans, a date is text, `1:30` is text (PyYAML alone makes it 90), `1e3` is a number. A key that
stands twice is an error with both lines, since the second would silently win.

Texts come from anybody who sends one to the API server. An alias costs its writer three characters and stands for as much as one
likes, so what aliases add is bounded before anything is made of a text; and so are the lines that are noted.
"""

import re
from collections.abc import Hashable, Iterator
from typing import Any, Final

import yaml

_BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

_INT: Final = re.compile(r"^[-+]?(?:0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|(?:0|[1-9][0-9_]*))$")
_FLOAT: Final = re.compile(
    r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
)


ALIASED: Final = 100_000
"""Values that the aliases of a document may stand for, all together."""
_LONGEST_PATH: Final = 300
_MOST_LINES: Final = 100_000
"""Of a document: what is longer or beyond has the line of what is around it."""


class YamlError(ValueError):
    """The text is not YAML that can be taken; the message says where (`source:line:column`) and why."""


class _Loader(_BASE):  # type: ignore[misc]
    """The C loader with our resolvers and constructors."""


class _Dumper(_DUMPER):  # type: ignore[misc]
    """Block style, multi-line text as literal blocks."""


def load_all(text: str | bytes, source: str = "<input>") -> list[Any]:
    """The documents of a stream, without the empty ones. Raises YamlError."""
    return [document for document, _ in _read(text, source)]


def load_with_lines(text: str | bytes, source: str = "<input>") -> list[tuple[Any, dict[str, int]]]:
    """The documents of `load_all`, each with the line (from 1) of each field, by its path (`spec.rules[0].tool`).

    The empty path is the document itself. Raises YamlError.
    """
    found: list[tuple[Any, dict[str, int]]] = []
    for document, node in _read(text, source):
        found.append((document, {}))
        try:
            _note_lines(node, "", node.start_mark.line + 1, found[-1][1])
        except RecursionError as exc:
            raise YamlError(f"{source}: not valid YAML: too deep") from exc
    return found


def _read(text: str | bytes, source: str) -> list[tuple[Any, yaml.Node]]:
    try:
        return [found for found in _load(text) if found[0] is not None]
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        where = f"{source}:{mark.line + 1}:{mark.column + 1}" if mark else source
        words = ": ".join(part for part in (exc.context, exc.problem) if part)
        raise YamlError(
            f"{where}: not valid YAML: {words} (line {mark.line + 1})" if mark else f"{where}: {words}"
        ) from exc
    except yaml.YAMLError as exc:
        raise YamlError(f"{source}: not valid YAML: {' '.join(str(exc).split())}") from exc
    except (RecursionError, ValueError) as exc:
        raise YamlError(f"{source}: not valid YAML: {exc}") from exc


def _load(text: str | bytes) -> Iterator[tuple[Any, yaml.Node]]:
    loader: Any = _Loader(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            _Sizes().require(node)
            yield loader.construct_document(node), node
    finally:
        loader.dispose()


class _Sizes:
    """How many values the nodes of a document stand for, with their aliases written out."""

    def __init__(self) -> None:
        self._sizes: dict[int, int] = {}
        self._written = 0

    def require(self, document: yaml.Node) -> None:
        """Raises ComposerError for aliases that stand for too much; one within itself is endless."""
        if self._size(document) - self._written > ALIASED:
            words = f"aliases make this more than {ALIASED} values beyond those that are written: write fewer of them"
            raise yaml.composer.ComposerError(None, None, words, document.start_mark)

    def _size(self, node: yaml.Node) -> int:
        known = self._sizes.get(id(node))
        if known is not None:
            return known
        self._written += 1
        # Whoever meets a node before it is counted is within it.
        self._sizes[id(node)] = 2**62
        found = self._sizes[id(node)] = 1 + sum(self._size(part) for part in _parts(node))
        return found


def _parts(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.ScalarNode):
        return []
    if isinstance(node, yaml.SequenceNode):
        return list(node.value)
    return [part for pair in node.value for part in pair]


def load(text: str | bytes, source: str = "<input>") -> Any:
    """The one document of a text, None for an empty one. Raises YamlError, also for a second document."""
    documents = load_all(text, source)
    if len(documents) > 1:
        raise YamlError(f"{source}: holds {len(documents)} documents where one is expected")
    return documents[0] if documents else None


def lines(text: str | bytes, source: str = "<input>") -> list[dict[str, int]]:
    """Those of `load_with_lines` alone. Raises YamlError."""
    return [places for _, places in load_with_lines(text, source)]


def _note_lines(node: yaml.Node, path: str, line: int, found: dict[str, int]) -> None:
    if path in found or len(path) > _LONGEST_PATH or len(found) >= _MOST_LINES:
        return
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
