"""Server-side apply and managedFields, on a custom kind and on built-in ones."""

import copy
from typing import Any

import pytest
from hypothesis import given, strategies as st

from sympozium.localkube.errors import ApiError
from sympozium.localkube.patch.managed import Manager, apply, update
from unit.localkube_semantics.schemas import INTEGER, STRING, custom, kind, resource, spec_schema

TOOL = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": STRING, "action": STRING, "note": STRING},
}
SCHEMA = spec_schema(
    {
        "n": INTEGER,
        "agent": STRING,
        "m": {"type": "object", "additionalProperties": STRING},
        "tools": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": TOOL,
        },
        "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": STRING},
        "args": {"type": "array", "items": STRING},
        "whole": {
            "type": "object",
            "x-kubernetes-map-type": "atomic",
            "properties": {"a": STRING, "b": STRING},
        },
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    }
)
SCHEMA["properties"]["status"] = {"type": "object", "properties": {"phase": STRING}}
TEST = custom(SCHEMA, status=True)
POD = kind("", "v1", "Pod")
SERVICE = kind("", "v1", "Service")
CONFIG = kind("", "v1", "ConfigMap")


def manager(name="m1", time="2026-01-01T00:00:00Z", sub="", reset=("status",), version="example.dev/v1"):
    return Manager(name=name, api_version=version, time=time, subresource=sub, reset=reset)


def applied(live, obj, name="m1", *, info=TEST, force=False, **more):
    return apply(copy.deepcopy(live), copy.deepcopy(obj), info.node, manager(name, **more), force=force)


def written(old, new, name="u1", *, info=TEST, **more):
    new = copy.deepcopy(new)
    update(copy.deepcopy(old), new, info.node, manager(name, **more))
    return new


def owners(obj) -> dict[Any, Any]:
    return {
        (e["manager"], e["operation"], e.get("subresource", "")): e["fieldsV1"]
        for e in obj["metadata"].get("managedFields", [])
    }


def test_create_by_apply_owns_exactly_what_was_applied():
    made = applied(None, resource({"agent": "a", "n": 4}))
    assert owners(made) == {("m1", "Apply", ""): {"f:spec": {"f:agent": {}, "f:n": {}}}}
    assert made["spec"] == {"agent": "a", "n": 4}


def test_the_same_apply_again_changes_nothing_not_even_the_time():
    made = applied(None, resource({"agent": "a", "n": 4}))
    assert applied(made, resource({"n": 4, "agent": "a"}), time="later") == made
    assert applied(made, resource({"n": 5, "agent": "a"}), time="later")["metadata"] != made["metadata"]


def test_another_value_is_a_conflict_that_names_every_field():
    made = applied(None, resource({"agent": "a", "n": 4}))
    with pytest.raises(ApiError) as caught:
        applied(made, resource({"agent": "b", "n": 5}), "m2")
    assert caught.value.code == 409
    assert [(c.field, c.message) for c in caught.value.causes] == [
        (".spec.agent", 'conflict with "m1"'),
        (".spec.n", 'conflict with "m1"'),
    ]
    with pytest.raises(ApiError, match=r'^Apply failed with 1 conflict: conflict with "m1": \.spec\.n$'):
        applied(made, resource({"agent": "a", "n": 5}), "m2")


def test_force_takes_the_field_away():
    made = applied(applied(None, resource({"agent": "a", "n": 4})), resource({"n": 5}), "m2", force=True)
    assert made["spec"] == {"agent": "a", "n": 5}
    assert owners(made) == {
        ("m1", "Apply", ""): {"f:spec": {"f:agent": {}}},
        ("m2", "Apply", ""): {"f:spec": {"f:n": {}}},
    }


def test_what_is_no_longer_applied_goes_unless_another_owns_it():
    made = applied(None, resource({"agent": "a", "m": {"x": "1"}}))
    made = applied(made, resource({"m": {"x": "1"}}), "m2")
    made = applied(made, resource({"agent": "a"}))
    assert made["spec"]["m"] == {"x": "1"}
    made = applied(made, resource({"agent": "a"}), "m2")
    assert made["spec"] == {"agent": "a"}


def test_items_of_a_map_list_belong_to_their_managers():
    made = applied(None, resource({"tools": [{"name": "x", "action": "allow"}]}))
    made = applied(made, resource({"tools": [{"name": "y"}]}), "m2")
    assert [tool["name"] for tool in made["spec"]["tools"]] == ["x", "y"]
    assert owners(made)[("m2", "Apply", "")] == {
        "f:spec": {"f:tools": {'k:{"name":"y"}': {".": {}, "f:name": {}}}}
    }
    made = applied(made, resource({}))
    assert made["spec"]["tools"] == [{"name": "y"}]


def test_two_managers_in_one_item_of_a_map_list():
    made = applied(None, resource({"tools": [{"name": "x", "action": "allow"}]}))
    made = applied(made, resource({"tools": [{"name": "x", "note": "n"}]}), "m2")
    assert made["spec"]["tools"] == [{"name": "x", "action": "allow", "note": "n"}]
    made = applied(made, resource({"tools": [{"name": "x"}]}), "m2")
    assert made["spec"]["tools"] == [{"name": "x", "action": "allow"}]


def test_items_of_a_set_list_are_owned_by_value():
    made = applied(applied(None, resource({"tags": ["a", "b"]})), resource({"tags": ["b", "c"]}), "m2")
    assert made["spec"]["tags"] == ["a", "b", "c"]
    assert owners(made)[("m2", "Apply", "")] == {"f:spec": {"f:tags": {'v:"b"': {}, 'v:"c"': {}}}}
    assert applied(made, resource({"tags": []}))["spec"]["tags"] == ["b", "c"]


def test_applied_items_come_in_the_order_of_the_apply():
    made = applied(None, resource({"tags": ["a", "b", "c"]}))
    assert applied(made, resource({"tags": ["c", "a", "b"]}))["spec"]["tags"] == ["c", "a", "b"]


@pytest.mark.parametrize(("key", "value"), [("args", ["a", "b"]), ("whole", {"a": "1", "b": "2"})])
def test_atomic_lists_and_maps_are_owned_as_a_whole(key, value):
    made = applied(None, resource({key: value}))
    assert owners(made)[("m1", "Apply", "")] == {"f:spec": {f"f:{key}": {}}}
    other = [*value[:1]] if isinstance(value, list) else {"a": "1"}
    with pytest.raises(ApiError) as caught:
        applied(made, resource({key: other}), "m2")
    assert caught.value.causes[0].field == f".spec.{key}"
    assert applied(made, resource({key: other}), "m2", force=True)["spec"][key] == other


def test_fields_without_a_schema_are_granular_maps_with_atomic_lists():
    made = applied(None, resource({"free": {"a": {"b": 1}, "l": [1, 2]}}))
    assert owners(made)[("m1", "Apply", "")]["f:spec"]["f:free"] == {
        "f:a": {".": {}, "f:b": {}},
        "f:l": {},
    }


def test_status_through_its_subresource_is_an_entry_of_its_own():
    made = applied(None, resource({"n": 1}))
    sub = {"sub": "status", "reset": ("spec", "metadata")}
    made = applied(made, resource({"n": 9}, status={"phase": "Z"}), "ctl", **sub)
    assert made["spec"] == {"n": 1}
    assert owners(made)[("ctl", "Apply", "status")] == {"f:status": {"f:phase": {}}}


def test_status_in_a_main_apply_is_neither_taken_nor_owned():
    made = applied(
        applied(None, resource({"n": 1})),
        resource(status={"phase": "A"}),
        "ctl",
        sub="status",
        reset=("spec", "metadata"),
    )
    again = applied(made, resource({"n": 2}, status={"phase": "B"}))
    assert again["status"] == {"phase": "A"}
    assert owners(again)[("ctl", "Apply", "status")] == {"f:status": {"f:phase": {}}}


def test_a_create_owns_all_that_it_wrote_places_included():
    made = written(None, resource({"n": 1, "m": {"x": "1"}}))
    assert owners(made) == {
        ("u1", "Update", ""): {"f:spec": {".": {}, "f:m": {".": {}, "f:x": {}}, "f:n": {}}}
    }


def test_an_update_owns_what_it_changed_and_takes_it_from_others():
    made = applied(None, resource({"n": 1, "agent": "a"}))
    new = copy.deepcopy(made)
    new["spec"]["n"] = 2
    made = written(made, new)
    assert owners(made) == {
        ("m1", "Apply", ""): {"f:spec": {"f:agent": {}}},
        ("u1", "Update", ""): {"f:spec": {"f:n": {}}},
    }
    with pytest.raises(ApiError) as caught:
        applied(made, resource({"n": 3, "agent": "a"}))
    assert caught.value.causes[0].message == 'conflict with "u1" using example.dev/v1'
    assert applied(made, resource({"n": 2, "agent": "a"}))["spec"] == made["spec"]  # the same value is shared


def test_an_update_that_removes_a_field_ends_its_ownership():
    made = applied(None, resource({"n": 1, "agent": "a"}))
    new = copy.deepcopy(made)
    del new["spec"]["n"]
    assert owners(written(made, new)) == {("m1", "Apply", ""): {"f:spec": {"f:agent": {}}}}


def test_an_update_without_a_change_changes_no_entry():
    made = written(None, resource({"n": 1}))
    assert written(made, made, "u2", time="later")["metadata"] == made["metadata"]


def test_a_main_update_does_not_touch_the_owners_of_the_status():
    made = applied(
        applied(None, resource({"n": 1})),
        resource(status={"phase": "A"}),
        "ctl",
        sub="status",
        reset=("spec", "metadata"),
    )
    new = resource({"n": 2})
    new["metadata"] = copy.deepcopy(made["metadata"])
    assert owners(written(made, new))[("ctl", "Apply", "status")] == {"f:status": {"f:phase": {}}}


@pytest.mark.parametrize("sent", [[], [{}]])
def test_managed_fields_can_be_cleared(sent):
    made = applied(None, resource({"n": 1}))
    new = copy.deepcopy(made)
    new["metadata"]["managedFields"] = sent
    assert "managedFields" not in written(made, new)["metadata"]


def test_managed_fields_of_the_client_replace_the_stored_ones():
    made = written(None, resource({"n": 1}), "kubectl-client-side-apply")
    new = copy.deepcopy(made)
    new["metadata"]["managedFields"][0] |= {"manager": "kubectl", "operation": "Apply"}
    assert list(owners(written(made, new))) == [("kubectl", "Apply", "")]


def test_an_object_that_nobody_manages_was_written_before_the_first_apply():
    live = resource({"n": 1, "agent": "a"})
    made = applied(live, resource({"agent": "a"}))
    assert owners(made)[("before-first-apply", "Update", "")] == {"f:spec": {"f:agent": {}, "f:n": {}}}
    with pytest.raises(ApiError, match="before-first-apply"):
        applied(live, resource({"n": 2}))


def test_an_applier_that_moves_to_another_version_keeps_its_entry():
    made = applied(None, resource({"n": 1}))
    made = applied(made, resource({"n": 2}), version="example.dev/v2")
    assert [entry["apiVersion"] for entry in made["metadata"]["managedFields"]] == ["example.dev/v2"]


def test_entries_are_appliers_first_then_by_time():
    made = written(None, resource({"n": 1}), "early", time="2026-01-01T00:00:00Z")
    made = applied(made, resource({"agent": "a"}), "late", time="2026-01-03T00:00:00Z")
    new = copy.deepcopy(made)
    new["spec"]["args"] = ["x"]
    made = written(made, new, "middle", time="2026-01-02T00:00:00Z")
    assert [entry["manager"] for entry in made["metadata"]["managedFields"]] == ["late", "early", "middle"]


def test_more_than_ten_updaters_become_ancient_changes():
    made = written(None, resource({"m": {}}), "u00", time="2026-01-01T00:00:00Z")
    for number in range(1, 14):
        new = copy.deepcopy(made)
        new["spec"]["m"][f"k{number}"] = "v"
        made = written(made, new, f"u{number:02}", time=f"2026-01-01T00:00:{number:02}Z")
    entries = made["metadata"]["managedFields"]
    assert len(entries) == 10
    assert entries[0]["manager"] == "ancient-changes"
    assert {"f:k1", "f:k4"} <= set(entries[0]["fieldsV1"]["f:spec"]["f:m"])


def test_server_owned_metadata_belongs_to_nobody_but_labels_do():
    obj = resource({"n": 1})
    obj["metadata"] |= {
        "labels": {"a": "b"},
        "uid": "u",
        "resourceVersion": "1",
        "generation": 3,
        "namespace": "n",
    }
    made = written(None, obj)
    assert owners(made)[("u1", "Update", "")]["f:metadata"] == {"f:labels": {".": {}, "f:a": {}}}


def test_ports_of_containers_are_told_by_number_and_protocol_with_its_default():
    def pod(*ports):
        return {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "a", "ports": list(ports)}]}}

    made = applied(None, pod({"containerPort": 80}), info=POD)
    assert list(owners(made)[("m1", "Apply", "")]["f:spec"]["f:containers"]['k:{"name":"a"}']["f:ports"]) == [
        'k:{"containerPort":80,"protocol":"TCP"}'
    ]
    # The stored one has its default written out; it is the same port.
    made["spec"]["containers"][0]["ports"][0]["protocol"] = "TCP"
    again = applied(
        made,
        pod({"containerPort": 80, "name": "http"}, {"containerPort": 80, "protocol": "UDP"}),
        "m2",
        info=POD,
    )
    assert again["spec"]["containers"][0]["ports"] == [
        {"containerPort": 80, "protocol": "TCP", "name": "http"},
        {"containerPort": 80, "protocol": "UDP"},
    ]


def test_a_selector_is_atomic_and_data_is_granular():
    made = applied(None, {"metadata": {"name": "s"}, "spec": {"selector": {"a": "b"}}}, info=SERVICE)
    assert owners(made)[("m1", "Apply", "")] == {"f:spec": {"f:selector": {}}}
    made = applied(None, {"metadata": {"name": "c"}, "data": {"a": "1"}}, info=CONFIG)
    assert owners(made)[("m1", "Apply", "")] == {"f:data": {"f:a": {}}}


def test_what_is_stored_twice_stays_when_something_else_is_applied():
    live = resource({"tools": [{"name": "x"}, {"name": "x"}]})
    made = applied(live, resource({"tools": [{"name": "y"}]}), force=True)
    assert made["spec"]["tools"] == [{"name": "x"}, {"name": "x"}, {"name": "y"}]


# A model: an object is a map of keys to values, an owner a set of keys.

names = st.sampled_from(["m1", "m2", "m3"])
data = st.dictionaries(st.sampled_from("abc"), st.sampled_from("xyz"), max_size=3)
steps = st.lists(st.tuples(st.sampled_from(["apply", "force", "update"]), names, data), max_size=7)


class Model:
    def __init__(self):
        self.data: dict[str, str] = {}
        self.owners: dict[tuple[str, str], set[str]] = {}

    def step(self, how, name, wanted):
        key = (name, "Update" if how == "update" else "Apply")
        if how == "update":
            changed = {k for k in wanted if self.data.get(k) != wanted[k]}
            gone = set(self.data) - set(wanted)
            self.data = dict(wanted)
        else:
            changed = {k for k in wanted if k in self.data and self.data[k] != wanted[k]}
            contested = {k for o, keys in self.owners.items() if o != key for k in keys & changed}
            if contested and how == "apply":
                return False
            changed |= set(wanted) - set(self.data)
            mine = self.owners.get(key, set())
            others = set().union(*(keys for o, keys in self.owners.items() if o != key))
            gone = mine - set(wanted) - others
            self.data = {k: v for k, v in {**self.data, **wanted}.items() if k not in gone}
        for other, keys in self.owners.items():
            if other != key:
                keys.difference_update(changed | gone)
        mine = self.owners.get(key, set())
        self.owners[key] = set(wanted) if how != "update" else (mine - gone) | changed
        return True


@given(steps)
def test_a_sequence_of_writes_agrees_with_the_model(sequence):
    model, live = Model(), None
    for how, name, wanted in sequence:
        obj = {"kind": "ConfigMap", "metadata": {"name": "c"}, "data": wanted}
        if live is None:
            # One key outside the model keeps the object owned, so before-first-apply is not in play.
            live = written(None, {**obj, "binaryData": {"z": "eg=="}, "data": {}}, "keeper", info=CONFIG)
        accepted = model.step(how, name, wanted)
        if how == "update":
            new = {**copy.deepcopy(live), "data": wanted}
            live = written(live, new, name, info=CONFIG)
        elif accepted:
            live = applied(live, obj, name, force=how == "force", info=CONFIG)
        else:
            with pytest.raises(ApiError):
                applied(live, obj, name, info=CONFIG)
        got = {
            (m, op): {k[2:] for k in f.get("f:data", {}) if k != "."}
            for (m, op, _), f in owners(live).items()
        }
        assert live.get("data", {}) == model.data
        assert {k: v for k, v in got.items() if v} == {k: v for k, v in model.owners.items() if v}


def test_labels_of_others_stay_and_ones_own_are_removed():
    obj = resource({"n": 1})
    obj["metadata"]["labels"] = {"a": "1"}
    made = applied(None, obj)
    other = resource()
    other["metadata"]["labels"] = {"b": "2"}
    made = applied(made, other, "m2")
    assert made["metadata"]["labels"] == {"a": "1", "b": "2"}
    made = applied(made, resource({"n": 1}))
    assert made["metadata"]["labels"] == {"b": "2"}
    assert made["metadata"]["name"] == "a"


def test_a_new_container_belongs_to_the_writer_without_the_list_that_was_there_anyway():
    made = written(
        None,
        {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "a", "ports": [{"containerPort": 1}]}]}},
        info=POD,
    )
    owned = owners(made)[("u1", "Update", "")]["f:spec"]
    assert "." not in owned
    container = owned["f:containers"]['k:{"name":"a"}']
    assert container["."] == {}
    assert container["f:ports"]["."] == {}


def test_only_the_time_of_a_writer_that_changed_something_moves():
    made = written(None, resource({"n": 1}), time="2026-01-01T00:00:00Z")
    new = copy.deepcopy(made)
    new["spec"]["n"] = 2
    assert (
        written(made, new, time="2026-01-02T00:00:00Z")["metadata"]["managedFields"][0]["time"]
        == "2026-01-02T00:00:00Z"
    )
    assert (
        written(made, made, time="2026-01-02T00:00:00Z")["metadata"]["managedFields"][0]["time"]
        == "2026-01-01T00:00:00Z"
    )
