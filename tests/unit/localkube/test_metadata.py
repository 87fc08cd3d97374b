"""Object metadata: what the server owns, names, labels, owners, finalizers."""

import pytest

from sympozium.localkube import metadata
from sympozium.localkube.builtin import BUILTIN
from sympozium.localkube.errors import ApiError

CM = next(resource for resource in BUILTIN if resource.plural == "configmaps")
NODE = next(resource for resource in BUILTIN if resource.plural == "nodes")


def created(resource=CM, at="n", **meta):
    obj = {"kind": resource.kind, "metadata": meta}
    metadata.prepare_create(obj, resource, at)
    return obj["metadata"]


def causes(old=None, **meta):
    obj = {"kind": "ConfigMap", "metadata": {"name": "a", **meta}}
    return [(cause.field, cause.reason) for cause in metadata.validate(obj, old, CM)]


def test_the_server_writes_over_what_is_its_own():
    meta = created(
        name="a", uid="x", creationTimestamp="y", generation=3, deletionTimestamp="z", deletionGracePeriodSeconds=1,
        selfLink="/a", unknown=1, labels={}, annotations=None,
    )  # fmt: skip
    assert set(meta) == {"name", "namespace", "uid", "creationTimestamp"}
    assert meta["namespace"] == "n"
    assert meta["uid"] != "x"


def test_generated_names_are_cut_to_63():
    name = created(generateName="x" * 70)["name"]
    assert len(name) == 63
    assert set(name[58:]) <= set(metadata.ALPHABET)


@pytest.mark.parametrize(
    ("meta", "resource", "namespace"),
    [
        ({"name": "a", "namespace": "m"}, CM, "n"),
        ({"name": "a", "resourceVersion": "1"}, CM, "n"),
        ({"name": 5}, CM, "n"),
        ({"labels": []}, CM, "n"),
        ({"labels": {"a": 1}}, CM, "n"),
        ({"finalizers": "x"}, CM, "n"),
    ],
)
def test_what_is_refused_at_once(meta, resource, namespace):
    with pytest.raises(ApiError) as caught:
        created(resource, namespace, **meta)
    assert caught.value.code == 400


def test_an_update_keeps_what_the_server_owns():
    old = {"metadata": {"name": "a", "namespace": "n", "uid": "u", "creationTimestamp": "t", "generation": 2}}
    obj = {
        "metadata": {
            "creationTimestamp": None,
            "generation": 9,
            "labels": {"a": "b"},
        }
    }
    metadata.prepare_update(obj, old, CM, "a", "n")
    assert obj["metadata"] == {
        "name": "a", "namespace": "n", "uid": "u", "creationTimestamp": "t", "generation": 2, "labels": {"a": "b"},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("meta", "code"), [({"name": "b"}, 400), ({"namespace": "m"}, 400), ({"uid": "v"}, 409)]
)
def test_an_update_of_something_else(meta, code):
    old = {"metadata": {"name": "a", "namespace": "n", "uid": "u"}}
    with pytest.raises(ApiError) as caught:
        metadata.prepare_update({"metadata": meta}, old, CM, "a", "n")
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("name", "rule", "good"),
    [
        ("a.b-c", "subdomain", True), ("a..b", "subdomain", False), ("A", "subdomain", False), ("a" * 254, "subdomain", False),
        ("a.b", "label", False), ("1a", "label", True), ("1a", "label1035", False), ("a" * 64, "label", False),
        ("system:node", "path", True), ("a/b", "path", False), ("..", "path", False), ("a\n", "subdomain", False),
    ],
)  # fmt: skip
def test_names(name, rule, good):
    assert (metadata.name_errors(name, rule) == []) is good


def test_validation_names_the_field():
    assert causes() == []
    assert causes(name="") == [("metadata.name", "FieldValueRequired")]
    assert causes(labels={"a": "b c"}) == [("metadata.labels", "FieldValueInvalid")]
    assert causes(labels={"-": "b"}) == [("metadata.labels", "FieldValueInvalid")]
    assert causes(labels={"x.y/z": "v"}) == []
    assert causes(annotations={"a": "x" * 300_000}) == [("metadata.annotations", "FieldValueTooLong")]
    owner = {"apiVersion": "v1", "kind": "K", "name": "o", "uid": "u", "controller": True}
    assert causes(ownerReferences=[owner]) == []
    assert causes(ownerReferences=[{**owner, "uid": ""}]) == [
        ("metadata.ownerReferences.uid", "FieldValueInvalid")
    ]
    assert causes(ownerReferences=[owner, owner]) == [("metadata.ownerReferences", "FieldValueInvalid")]
    assert causes(finalizers=["orphan", "foregroundDeletion"]) == [
        ("metadata.finalizers", "FieldValueInvalid")
    ]


def test_no_finalizer_joins_an_object_that_is_going():
    old = {"metadata": {"name": "a", "deletionTimestamp": "t", "finalizers": ["x.y/z"]}}
    assert causes(old, finalizers=["x.y/z", "q.r/s"]) == [("metadata.finalizers", "FieldValueForbidden")]
    assert causes(old, finalizers=[]) == []


def test_unqualified_finalizers_are_warned_of():
    obj = {"metadata": {"finalizers": ["bare", "x.y/z", "orphan"]}}
    (warning,) = metadata.finalizer_warnings(obj)
    assert '"bare": prefer a domain-qualified finalizer name' in warning
