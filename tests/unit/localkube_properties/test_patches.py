"""JSON and strategic patches against models that do it the slow and obvious way."""

import copy

import pytest
from hypothesis import given, strategies as st

from sympozium.localkube.errors import ApiError
from sympozium.localkube.patch.jsonpatch import json_patch
from unit.localkube_semantics.schemas import kind

POD = kind("", "v1", "Pod")
KEYS = st.sampled_from(["a", "b", "c/d", "e~f", "0", "1"])
SCALARS = st.sampled_from([None, True, 0, 1, "x", "y"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
DOCUMENTS = st.dictionaries(KEYS, VALUES, max_size=4)
PARTS = st.lists(KEYS | st.sampled_from(["-", "2"]), max_size=3)
OPERATIONS = st.fixed_dictionaries(
    {
        "op": st.sampled_from(["add", "remove", "replace", "test", "move", "copy"]),
        "path": PARTS,
        "from": PARTS,
        "value": VALUES,
    }
)


class CannotError(Exception):
    pass


def walk(document, parts):
    for part in parts:
        if isinstance(document, dict) and part in document:
            document = document[part]
        elif isinstance(document, list) and part.isdigit() and int(part) < len(document):
            document = document[int(part)]
        else:
            raise CannotError
    return document


def put(document, parts, value):
    if not parts:
        return value
    parent, last = walk(document, parts[:-1]), parts[-1]
    if isinstance(parent, dict):
        parent[last] = value
    elif isinstance(parent, list) and (last == "-" or (last.isdigit() and int(last) <= len(parent))):
        parent.insert(len(parent) if last == "-" else int(last), value)
    else:
        raise CannotError
    return document


def drop(document, parts):
    value = walk(document, parts)
    parent, last = walk(document, parts[:-1]), parts[-1]
    del parent[last if isinstance(parent, dict) else int(last)]
    return value


def walk_or_null(document, parts):
    """A last key that is missing is null for a test and a copy: the API server's library has it so."""
    parent = walk(document, parts[:-1])
    return parent.get(parts[-1]) if isinstance(parent, dict) else walk(parent, parts[-1:])


def model(document, operation):
    """RFC 6902 of one operation whose paths are no roots, with what a real server was seen to let through."""
    op, path, value = operation["op"], operation["path"], operation["value"]
    if op == "add":
        return put(document, path, value)
    if op == "remove":
        drop(document, path)
        return document
    if op == "replace":
        if isinstance(walk(document, path[:-1]), list):
            drop(document, path)
        return put(document, path, value)
    if op == "test":
        if repr(walk_or_null(document, path)) != repr(value):
            raise CannotError
        return document
    if op == "copy":
        return put(document, path, copy.deepcopy(walk_or_null(document, operation["from"])))
    source = operation["from"]
    if path[: len(source)] == source and path != source:
        raise CannotError
    return put(document, path, drop(document, source))


def pointer(parts):
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)


def orderless(value):
    """The model compares texts: the order of keys must not matter."""
    if isinstance(value, dict):
        return {key: orderless(value[key]) for key in sorted(value)}
    return [orderless(item) for item in value] if isinstance(value, list) else value


@given(DOCUMENTS, st.lists(OPERATIONS.filter(lambda o: o["path"] and o["from"]), min_size=1, max_size=3))
def test_json_patches_do_what_the_rfc_says(document, operations):
    expected, operations = orderless(document), [orderless(operation) for operation in operations]
    try:
        for operation in operations:
            expected = orderless(model(expected, copy.deepcopy(operation)))
    except CannotError:
        expected = None
    sent = [{**o, "path": pointer(o["path"]), "from": pointer(o["from"])} for o in operations]
    if expected is None:
        with pytest.raises(ApiError) as refused:
            json_patch(copy.deepcopy(document), copy.deepcopy(sent))
        assert refused.value.code == 422
    else:
        assert json_patch(copy.deepcopy(document), copy.deepcopy(sent)) == expected


NAMES = st.sampled_from(["a", "b", "c"])
CONTAINER = st.fixed_dictionaries(
    {"name": NAMES},
    optional={"image": st.sampled_from(["x", "y"]), "workingDir": st.sampled_from(["/", "/w"])},
)
CONTAINERS = st.lists(CONTAINER, max_size=3, unique_by=lambda item: item["name"])
FINALIZERS = st.lists(st.sampled_from(["f/a", "f/b", "f/c"]), max_size=3, unique=True)
LABELS = st.dictionaries(NAMES, st.sampled_from(["1", "2"]), max_size=3)
PODS = st.builds(
    lambda containers, finalizers, labels: {
        "metadata": {"finalizers": finalizers, "labels": labels},
        "spec": {"containers": containers},
    },
    CONTAINERS, FINALIZERS, LABELS,
)  # fmt: skip
DIRECTIVE = st.fixed_dictionaries({"name": NAMES, "$patch": st.just("delete")})
PATCHES = st.builds(
    lambda containers, deleted, finalizers, labels: {
        "metadata": {"finalizers": finalizers, "labels": labels},
        "spec": {
            "containers": [c for c in containers if c["name"] not in {d["name"] for d in deleted}] + deleted
        },
    },
    CONTAINERS,
    st.lists(DIRECTIVE, max_size=2, unique_by=lambda item: item["name"]),
    FINALIZERS,
    st.dictionaries(NAMES, st.sampled_from(["1", "2", None]), max_size=3),
)


@given(PODS, PATCHES)
def test_strategic_patches_merge_lists_by_their_keys(pod, patch):
    """By name, and as sets where order is not what is asked."""
    found = POD.strategic_merge(copy.deepcopy(pod), copy.deepcopy(patch))
    containers = {item["name"]: dict(item) for item in pod["spec"]["containers"]}
    for item in patch["spec"]["containers"]:
        if item.get("$patch") == "delete":
            containers.pop(item["name"], None)
        else:
            containers[item["name"]] = {**containers.get(item["name"], {}), **item}
    assert {item["name"]: item for item in found["spec"]["containers"]} == containers
    assert len(found["spec"]["containers"]) == len(containers)
    wanted = set(pod["metadata"]["finalizers"]) | set(patch["metadata"]["finalizers"])
    assert sorted(found["metadata"]["finalizers"]) == sorted(wanted)
    labels = {**pod["metadata"]["labels"], **patch["metadata"]["labels"]}
    assert found["metadata"]["labels"] == {key: value for key, value in labels.items() if value is not None}


@given(PODS, PATCHES)
def test_a_strategic_patch_sent_again_changes_nothing(pod, patch):
    once = POD.strategic_merge(copy.deepcopy(pod), copy.deepcopy(patch))
    assert POD.strategic_merge(copy.deepcopy(once), copy.deepcopy(patch)) == once
