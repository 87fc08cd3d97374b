"""CustomResourceDefinitions: from the definition to instances and back to nothing."""

import uuid

import pytest

from conformance.kubeapi import APPLY, JSON_PATCH, MERGE, TABLE

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
SPEC = {
    "type": "object",
    "required": ["agent"],
    "properties": {
        "agent": {"type": "string", "minLength": 1},
        "n": {"type": "integer", "maximum": 10, "default": 3},
        "replicas": {"type": "integer", "default": 1},
        "fixed": {
            "type": "string",
            "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "fixed is immutable"}],
        },
    },
}
STATUS = {"type": "object", "properties": {"phase": {"type": "string"}, "replicas": {"type": "integer"}}}
V1 = {
    "name": "v1",
    "served": True,
    "storage": True,
    "subresources": {
        "status": {},
        "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"},
    },
    "selectableFields": [{"jsonPath": ".spec.agent"}],
    "additionalPrinterColumns": [
        {"name": "Phase", "type": "string", "jsonPath": ".status.phase"},
        {"name": "Agent", "type": "string", "jsonPath": ".spec.agent", "priority": 1},
    ],
    "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": SPEC, "status": STATUS}}},
}
V2 = {
    "name": "v2alpha1",
    "served": True,
    "storage": False,
    "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
}


@pytest.fixture(scope="module")
def group(admin):
    name = f"g{uuid.uuid4().hex[:6]}.dev"
    crd = {
        "metadata": {"name": f"things.{name}"},
        "spec": {
            "group": name,
            "scope": "Namespaced",
            "names": {"plural": "things", "kind": "Thing", "shortNames": ["th"]},
            "versions": [V1, V2],
        },
    }
    answer = admin.post(CRDS, crd)
    assert answer.status == 201, answer.raw
    admin.eventually(f"/apis/{name}/v1/things", lambda listed: listed.status == 200)
    yield name
    admin.delete(f"{CRDS}/things.{name}")


@pytest.fixture
def things(group, ns):
    return f"/apis/{group}/v1/namespaces/{ns}/things"


def thing(group, name, **spec):
    return {
        "apiVersion": f"{group}/v1",
        "kind": "Thing",
        "metadata": {"name": name},
        "spec": {"agent": "a", **spec},
    }


def test_a_definition_is_established_and_discovered(admin, group):
    status = admin.get(f"{CRDS}/things.{group}").json["status"]
    conditions = {condition["type"]: condition["status"] for condition in status["conditions"]}
    assert conditions == {"NamesAccepted": "True", "Established": "True"}
    assert status["acceptedNames"]["listKind"] == "ThingList"
    assert status["storedVersions"] == ["v1"]
    versions = admin.get(f"/apis/{group}").json["versions"]
    assert [version["version"] for version in versions] == ["v1", "v2alpha1"]
    names = [item["name"] for item in admin.get(f"/apis/{group}/v1").json["resources"]]
    assert names == ["things", "things/status", "things/scale"]
    assert f"apis/{group}/v1" in admin.get("/openapi/v3").json["paths"]


def test_instances_are_defaulted_pruned_and_validated(admin, group, things):
    made = admin.post(things, {**thing(group, "a", junk=1), "status": {"phase": "X"}})
    assert made.status == 201
    assert made.json["spec"] == {"agent": "a", "n": 3, "replicas": 1}
    assert "status" not in made.json
    assert made.warnings == ['299 - "unknown field \\"spec.junk\\""']
    status = admin.post(things, thing(group, "b", n=11)).refused(
        422, "Invalid", "should be less than or equal to 10"
    )
    assert (status["details"]["group"], status["details"]["kind"]) == (group, "Thing")
    admin.post(things, {**thing(group, "b"), "spec": {}}).refused(
        422, "Invalid", "spec.agent: Required value"
    )
    admin.post(things, {**thing(group, "b"), "apiVersion": f"{group}/v2alpha1"}).refused(
        400, "BadRequest", "does not match the expected"
    )
    admin.post(things, {"metadata": {"name": "b"}}).refused(400, "BadRequest", "Kind")


def test_generation_and_status_are_apart(admin, group, things):
    admin.post(things, thing(group, "g"))

    def generation():
        return admin.get(f"{things}/g").json["metadata"]["generation"]

    assert generation() == 1
    admin.patch(f"{things}/g", {"spec": {"n": 5}, "status": {"phase": "X"}})
    assert generation() == 2
    assert "status" not in admin.get(f"{things}/g").json
    done = admin.patch(f"{things}/g/status", {"status": {"phase": "P"}, "spec": {"n": 9}}).json
    assert (done["status"], done["spec"]["n"], generation()) == ({"phase": "P"}, 5, 2)
    admin.patch(f"{things}/g", {"metadata": {"labels": {"a": "b"}}})
    assert generation() == 2


def test_updates_need_a_revision_and_rules_see_the_old_value(admin, group, things):
    admin.post(things, thing(group, "u", fixed="x"))
    admin.put(f"{things}/u", thing(group, "u")).refused(422, "Invalid", "must be specified for an update")
    admin.patch(f"{things}/u", {"spec": {"fixed": "y"}}).refused(422, "Invalid", "fixed is immutable")
    admin.patch(f"{things}/u", {"spec": {"n": 4}}, ct="application/strategic-merge-patch+json").refused(
        415, "UnsupportedMediaType"
    )


def test_scale_is_a_view(admin, group, things):
    admin.post(things, thing(group, "s"))
    scale = admin.get(f"{things}/s/scale").json
    assert (scale["kind"], scale["apiVersion"], scale["spec"]) == ("Scale", "autoscaling/v1", {"replicas": 1})
    assert admin.patch(f"{things}/s/scale", {"spec": {"replicas": 4}}).json["spec"] == {"replicas": 4}
    assert admin.get(f"{things}/s").json["spec"]["replicas"] == 4
    admin.patch(f"{things}/s/scale", {"spec": {"replicas": "x"}}).refused(400, "BadRequest", "of type int32")
    admin.patch(f"{things}/s/scale", {"spec": []}).refused(400, "BadRequest", "cannot unmarshal array")
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "s"}, "spec": {"replicas": 1}}
    admin.put(f"{things}/s/scale", pod).refused(400, "BadRequest", "does not match the expected API version")


def test_columns_and_selectable_fields(admin, group, things):
    admin.post(things, {**thing(group, "c"), "spec": {"agent": "zzz"}})
    table = admin.get(things, accept=TABLE).json
    assert [(c["name"], c["priority"]) for c in table["columnDefinitions"]] == [
        ("Name", 0),
        ("Phase", 0),
        ("Agent", 1),
    ]
    assert table["rows"][0]["cells"] == ["c", None, "zzz"]
    chosen = admin.get(f"{things}?fieldSelector=spec.agent%3Dzzz").json
    assert (chosen["kind"], [item["kind"] for item in chosen["items"]]) == ("ThingList", ["Thing"])
    admin.get(f"{things}?fieldSelector=spec.n%3D3").refused(400, "BadRequest", "field label not supported")


def test_one_object_in_two_versions(admin, group, things):
    made = admin.post(things, thing(group, "v")).json
    other = admin.get(f"{things}/v".replace("/v1/", "/v2alpha1/", 1)).json
    assert other["apiVersion"] == f"{group}/v2alpha1"
    assert other["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


def test_a_deleted_definition_takes_its_instances_and_its_paths(admin, ns):
    name = f"d{uuid.uuid4().hex[:6]}.dev"
    crd = {
        "metadata": {"name": f"things.{name}"},
        "spec": {
            "group": name,
            "scope": "Namespaced",
            "names": {"plural": "things", "kind": "Thing"},
            "versions": [V1],
        },
    }
    assert admin.post(CRDS, crd).status == 201
    path = f"/apis/{name}/v1/namespaces/{ns}/things"
    assert admin.post(path, thing(name, "x")).status == 201
    admin.delete(f"{CRDS}/things.{name}")
    admin.eventually(f"{CRDS}/things.{name}", lambda answer: answer.status == 404)
    assert admin.get(path).status == 404
    assert name not in [group["name"] for group in admin.get("/apis").json["groups"]]


def test_definitions_that_cannot_be(admin):
    wrong = {
        "metadata": {"name": "x.y"},
        "spec": {
            "group": "bad.dev",
            "scope": "Namespaced",
            "names": {"plural": "bads", "kind": "Bad"},
            "versions": [V1],
        },
    }
    admin.post(CRDS, wrong).refused(422, "Invalid", "metadata.name")
    none_stored = {**wrong, "metadata": {"name": "bads.bad.dev"}}
    none_stored["spec"] = {**wrong["spec"], "versions": [V2]}
    admin.post(CRDS, none_stored).refused(422, "Invalid", "storage")


def test_bodies_made_to_break_a_server_get_a_refusal(admin, group, things):
    admin.post(things, thing(group, "a", agent="x"))
    path = f"{things}/a"
    deep = '{"x":' * 300 + "1" + "}" * 300
    bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9)
    )
    for kind, body in (
        (MERGE, f'{{"spec":{deep}}}'),
        (JSON_PATCH, f'[{{"op":"add","path":"/spec/x","value":{deep}}}]'),
        (APPLY, f'{{"apiVersion":"{group}/v1","kind":"Thing","metadata":{{"name":"a"}},"spec":{deep}}}'),
        (APPLY, f"apiVersion: {group}/v1\nkind: Thing\nmetadata: {{name: a}}\n{bomb}"),
    ):
        admin.patch(f"{path}?fieldManager=m", body.encode(), kind).refused(400, "BadRequest")
    unknown = {f"field{n}": 1 for n in range(3000)}
    answer = admin.post(f"{things}?dryRun=All", thing(group, "b", agent="x") | unknown)
    assert answer.status == 201
    assert 0 < len(answer.warnings) <= 64
