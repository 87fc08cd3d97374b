import copy

import pytest
from hypothesis import given, strategies as st

from sympozium.localkube.errors import ApiError
from sympozium.localkube.patch.merge import merge_patch
from unit.localkube_semantics.schemas import kind

POD = kind("", "v1", "Pod")
DEPLOYMENT = kind("apps", "v1", "Deployment")
SERVICE = kind("", "v1", "Service")


def containers(*items):
    return {"spec": {"containers": list(items)}}


def names(pod):
    return [container["name"] for container in pod["spec"]["containers"]]


def test_containers_merge_by_name_and_keep_what_the_patch_does_not_say():
    pod = containers({"name": "a", "image": "x", "env": [{"name": "E", "value": "1"}]})
    patched = POD.strategic_merge(pod, containers({"name": "a", "image": "y"}))
    assert patched == containers({"name": "a", "image": "y", "env": [{"name": "E", "value": "1"}]})


def test_new_items_come_before_unmentioned_ones_as_recorded():
    pod = containers({"name": "a", "env": [{"name": "E"}]}, {"name": "b"})
    patch = containers(
        {"name": "b", "$patch": "delete"}, {"name": "c"}, {"name": "a", "env": [{"name": "F"}]}
    )
    patched = POD.strategic_merge(pod, patch)
    assert names(patched) == ["c", "a"]
    assert [env["name"] for env in patched["spec"]["containers"][1]["env"]] == ["F", "E"]


def test_set_element_order_decides_and_others_keep_their_place():
    pod = containers({"name": "a"}, {"name": "x"}, {"name": "b"})
    patch = {
        "spec": {
            "$setElementOrder/containers": [{"name": "b"}, {"name": "c"}, {"name": "a"}],
            "containers": [{"name": "c"}],
        }
    }
    assert names(POD.strategic_merge(pod, patch)) == ["x", "b", "c", "a"]
    only_order = {"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}}
    assert names(POD.strategic_merge(containers({"name": "a"}, {"name": "b"}), only_order)) == ["b", "a"]


def test_replace_of_a_list_and_of_an_object():
    pod = containers({"name": "a"}, {"name": "b"})
    assert names(POD.strategic_merge(pod, containers({"$patch": "replace"}, {"name": "c"}))) == ["c"]
    pod = {"spec": {"securityContext": {"runAsUser": 1, "runAsGroup": 2}}}
    patched = POD.strategic_merge(pod, {"spec": {"securityContext": {"$patch": "replace", "runAsUser": 5}}})
    assert patched == {"spec": {"securityContext": {"runAsUser": 5}}}


def test_delete_of_an_object():
    patched = POD.strategic_merge(
        {"spec": {"affinity": {"podAffinity": {}}}}, {"spec": {"affinity": {"$patch": "delete"}}}
    )
    assert patched == {"spec": {}}


def test_retain_keys_drops_what_it_does_not_name():
    deployment = {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}
    patch = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    assert DEPLOYMENT.strategic_merge(deployment, patch) == {"spec": {"strategy": {"type": "Recreate"}}}
    with pytest.raises(ApiError, match="retainKeys"):
        DEPLOYMENT.strategic_merge(
            copy.deepcopy(deployment), {"spec": {"strategy": {"$retainKeys": [], "type": "x"}}}
        )


def test_primitive_lists_merge_as_sets_and_items_can_be_deleted():
    pod = {"metadata": {"finalizers": ["a/b", "c/d"]}}
    patch = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a/b"], "finalizers": ["e/f"]}}
    assert sorted(POD.strategic_merge(pod, patch)["metadata"]["finalizers"]) == ["c/d", "e/f"]


def test_lists_without_a_strategy_are_replaced():
    pod = containers({"name": "a", "command": ["x", "y"]})
    assert POD.strategic_merge(pod, containers({"name": "a", "command": ["z"]})) == containers(
        {"name": "a", "command": ["z"]}
    )


def test_service_ports_merge_by_port_alone():
    service = {"spec": {"ports": [{"port": 80, "protocol": "TCP", "name": "a"}]}}
    patched = SERVICE.strategic_merge(service, {"spec": {"ports": [{"port": 80, "targetPort": 1}]}})
    assert patched["spec"]["ports"] == [{"port": 80, "protocol": "TCP", "name": "a", "targetPort": 1}]


@pytest.mark.parametrize(
    ("patch", "text"),
    [
        (containers({"image": "x"}), "does not contain declared merge key: name"),
        (containers({"name": "a", "$patch": "twist"}), "unknown patch type"),
        ({"$patch": "twist"}, "unknown patch type"),
        (containers("text"), "list element types are not identical"),
    ],
)
def test_bad_patches_are_400(patch, text):
    with pytest.raises(ApiError, match=text) as caught:
        POD.strategic_merge(containers({"name": "a"}), patch)
    assert caught.value.code == 400


def test_nothing_of_the_directives_is_stored_where_nothing_was():
    patch = {
        "spec": {
            "$setElementOrder/containers": [{"name": "a"}],
            "containers": [
                {
                    "name": "a",
                    "env": [{"name": "E", "$patch": "delete"}],
                    "$setElementOrder/env": [{"name": "E"}],
                }
            ],
        }
    }
    assert POD.strategic_merge({}, patch) == {"spec": {"containers": [{"name": "a", "env": []}]}}


items = st.lists(
    st.fixed_dictionaries({"name": st.sampled_from("abcd")}, optional={"image": st.sampled_from("xyz")}),
    max_size=4,
    unique_by=lambda item: item["name"],
)


@given(items, items)
def test_list_merge_is_merge_patch_on_a_map_by_key(before, patch):
    merged = POD.strategic_merge(containers(*copy.deepcopy(before)), containers(*patch))
    got = {item["name"]: item for item in merged["spec"].get("containers", [])}
    model = merge_patch({i["name"]: dict(i) for i in before}, {i["name"]: i for i in patch})
    assert got == model
    # What the patch mentions comes in its order.
    mentioned = [item["name"] for item in patch]
    assert [name for name in names(merged) if name in mentioned] == mentioned


@given(
    st.dictionaries(st.sampled_from("ab"), st.sampled_from("xy")),
    st.dictionaries(st.sampled_from("ab"), st.none() | st.sampled_from("xy")),
)
def test_maps_merge_as_merge_patch_does(before, patch):
    info = kind("", "v1", "ConfigMap")
    merged = info.strategic_merge({"data": dict(before)}, {"data": patch})
    assert merged["data"] == merge_patch(dict(before), patch)
