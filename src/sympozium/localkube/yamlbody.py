"""YAML as the API server reads and writes it: JSON's types, no dates, no sexagesimal numbers.

Loaded when the first YAML body or `Accept: application/yaml` arrives. libyaml when PyYAML has it.
"""

from typing import Any

import yaml

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
        self.duplicates: list[str] = []


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    loader.flatten_mapping(node)
    made: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        text = key if isinstance(key, str) else str(key_node.value)
        if text in made:
            loader.duplicates.append(text)
        made[text] = loader.construct_object(value_node, deep=True)
    return made


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)
# YAML 1.2's core schema, which sigs.k8s.io/yaml follows for everything but y/yes/on (kept as booleans).
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in rules if tag not in _DROPPED]
    for first, rules in _Base.yaml_implicit_resolvers.items()
}


def _resolvers() -> None:
    import re

    _Loader.add_implicit_resolver(
        "tag:yaml.org,2002:bool",
        re.compile(r"^(?:true|True|TRUE|false|False|FALSE|yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF)$"),
        list("tTfFyYnNoO"),
    )
    _Loader.add_implicit_resolver(
        "tag:yaml.org,2002:int", re.compile(r"^[-+]?(?:0|[1-9][0-9_]*|0x[0-9a-fA-F_]+|0o?[0-7_]+|0b[01_]+)$"),
        list("-+0123456789"),
    )  # fmt: skip
    _Loader.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(r"^[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9]+|[0-9]+)(?:[eE][-+]?[0-9]+)?$"),
        list("-+0123456789."),
    )


_resolvers()


def load(raw: bytes) -> tuple[Any, list[str]]:
    """One document and the keys that occur twice in a mapping. Raises YAMLBodyError."""
    loader = _Loader(raw)
    try:
        return loader.get_single_data(), loader.duplicates
    except (yaml.YAMLError, ValueError, UnicodeDecodeError) as error:
        raise YAMLBodyError(f"error converting YAML to JSON: {error}") from error
    finally:
        loader.dispose()


def dump(obj: Any) -> bytes:
    text = yaml.dump(obj, Dumper=_Dumper, default_flow_style=False, sort_keys=True, allow_unicode=True)
    return str(text).encode()
