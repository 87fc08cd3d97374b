"""Create, read, update, delete: what a Kubernetes client may rely on."""

import base64
from concurrent.futures import ThreadPoolExecutor

import pytest

from conformance.kubeapi import JSON_PATCH, STRATEGIC

PROTOBUF = "application/vnd.kubernetes.protobuf"
CONFIG_MAP = base64.b64decode("azhzAAoPCgJ2MRIJQ29uZmlnTWFwEhwKEgoCYzISABoAIgAqADIAOABCABIGCgFhEgFiGgAiAA==")


def cm(name, **more):
    meta = {"name": name, **more.pop("meta", {})}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": meta,
        "data": more.pop("data", {"a": "1"}),
        **more,
    }


def revision(answer):
    return int(answer.json["metadata"]["resourceVersion"])


def test_a_created_object_has_the_metadata_of_the_server(admin, cms, ns):
    sent = cm("a", meta={"uid": "mine", "creationTimestamp": "2001-01-01T00:00:00Z", "generation": 9})
    answer = admin.post(cms, sent)
    assert answer.status == 201
    meta = answer.json["metadata"]
    assert len(meta["uid"]) == 36
    assert meta["creationTimestamp"] > "2026"
    assert meta["namespace"] == ns
    assert "generation" not in meta
    (entry,) = meta["managedFields"]
    assert (entry["manager"], entry["operation"], entry["fieldsV1"]) == (
        "checks", "Update", {"f:data": {".": {}, "f:a": {}}},
    )  # fmt: skip
    assert admin.get(f"{cms}/a").json == answer.json


def test_a_name_is_taken_once(admin, cms):
    admin.post(cms, cm("a"))
    status = admin.post(cms, cm("a")).refused(409, "AlreadyExists", 'configmaps "a" already exists')
    assert status["details"] == {"name": "a", "kind": "configmaps"}


def test_generated_names_differ(admin, cms):
    names = {admin.post(cms, {"metadata": {"generateName": "g-"}}).json["metadata"]["name"] for _ in range(5)}
    assert len(names) == 5
    assert all(name.startswith("g-") and len(name) == 7 for name in names)


def test_what_is_not_there(admin, cms, ns):
    assert admin.get(f"{cms}/zz").refused(404, "NotFound", 'configmaps "zz" not found')["details"] == {
        "name": "zz", "kind": "configmaps",
    }  # fmt: skip
    jobs = f"/apis/batch/v1/namespaces/{ns}/jobs/x"
    assert admin.get(jobs).refused(404, "NotFound", 'jobs.batch "x" not found')["details"]["group"] == "batch"
    admin.put(f"{cms}/zz", cm("zz")).refused(404, "NotFound")
    admin.patch(f"{cms}/zz", {}).refused(404, "NotFound")
    admin.delete(f"{cms}/zz").refused(404, "NotFound")
    admin.post("/api/v1/namespaces/nowhere/configmaps", cm("a")).refused(
        404, "NotFound", 'namespaces "nowhere" not found'
    )


def test_names_and_namespaces_are_checked(admin, cms):
    admin.post(cms, cm("a", meta={"namespace": "other"})).refused(
        400, "BadRequest", "does not match the namespace"
    )
    status = admin.post(cms, {"metadata": {}}).refused(422, "Invalid", "name or generateName is required")
    assert status["details"]["causes"][0]["reason"] == "FieldValueRequired"
    status = admin.post(cms, cm("Bad_Name")).refused(422, "Invalid", "RFC 1123")
    assert status["details"]["causes"][0]["field"] == "metadata.name"
    admin.post(cms, cm("a", meta={"labels": {"x": "bad value!"}})).refused(422, "Invalid", "metadata.labels")
    admin.post(cms, cm("a", meta={"resourceVersion": "5"})).refused(400, "BadRequest", "resourceVersion")


def test_of_two_updates_from_one_revision_one_wins(admin, cms):
    first = admin.post(cms, cm("a")).json
    second = admin.put(f"{cms}/a", {**first, "data": {"a": "2"}})
    assert second.status == 200
    assert revision(second) > int(first["metadata"]["resourceVersion"])
    admin.put(f"{cms}/a", {**first, "data": {"a": "3"}}).refused(
        409, "Conflict", "the object has been modified"
    )
    assert admin.put(f"{cms}/a", cm("a", data={"a": "4"})).status == 200
    admin.put(f"{cms}/a", cm("b")).refused(
        400, "BadRequest", "the name of the object (b) does not match the name on the URL (a)"
    )
    admin.put(f"{cms}/a", cm("a", meta={"uid": "0"})).refused(409, "Conflict")


def test_a_write_that_changes_nothing_is_no_write(admin, cms):
    first = admin.post(cms, cm("a"))
    same = admin.put(f"{cms}/a", first.json)
    patched = admin.patch(f"{cms}/a", {"data": {"a": "1"}})
    assert revision(same) == revision(patched) == revision(first)


def test_a_deleted_object_is_gone_and_says_which_it_was(admin, cms):
    made = admin.post(cms, cm("a")).json
    admin.delete(f"{cms}/a", {"preconditions": {"uid": "x"}}).refused(
        409, "Conflict", "UID in the precondition"
    )
    admin.delete(f"{cms}/a", {"preconditions": {"resourceVersion": "1"}}).refused(409, "Conflict")
    gone = admin.delete(f"{cms}/a", {"preconditions": {"uid": made["metadata"]["uid"]}})
    assert gone.status == 200
    assert gone.json["details"] == {"name": "a", "kind": "configmaps", "uid": made["metadata"]["uid"]}
    assert admin.get(f"{cms}/a").status == 404


def test_finalizers_keep_an_object_until_the_last_is_gone(admin, cms):
    admin.post(cms, cm("a", meta={"finalizers": ["x.y/z"]}))
    marked = admin.delete(f"{cms}/a")
    assert marked.json["metadata"]["deletionTimestamp"]
    assert marked.json["metadata"]["deletionGracePeriodSeconds"] == 0
    assert revision(admin.delete(f"{cms}/a")) == revision(marked)
    admin.patch(f"{cms}/a", {"metadata": {"finalizers": ["x.y/z", "q.r/s"]}}).refused(
        422, "Invalid", "no new finalizers can be added if the object is being deleted"
    )
    admin.patch(f"{cms}/a", {"metadata": {"deletionTimestamp": None}})
    assert admin.get(f"{cms}/a").json["metadata"]["deletionTimestamp"]
    assert admin.patch(f"{cms}/a", {"metadata": {"finalizers": None}}).status == 200
    assert admin.get(f"{cms}/a").status == 404


def test_dry_run_stores_nothing(admin, cms):
    made = admin.post(cms, cm("a")).json
    assert admin.post(f"{cms}?dryRun=All", cm("b")).status == 201
    assert admin.get(f"{cms}/b").status == 404
    assert admin.patch(f"{cms}/a?dryRun=All", {"data": {"z": "1"}}).json["data"] == {"a": "1", "z": "1"}
    assert admin.delete(f"{cms}/a?dryRun=All").status == 200
    assert admin.get(f"{cms}/a").json == made
    admin.post(f"{cms}?dryRun=Some", cm("b")).refused(422, "Invalid", "dryRun")


def test_unknown_fields_warn_or_refuse_or_neither(admin, cms):
    warned = admin.post(cms, cm("a", bogus=1))
    assert warned.status == 201
    assert warned.warnings == ['299 - "unknown field \\"bogus\\""']
    assert "bogus" not in warned.json
    assert admin.post(f"{cms}?fieldValidation=Ignore", cm("b", bogus=1)).warnings == []
    admin.post(f"{cms}?fieldValidation=Strict", cm("c", bogus=1)).refused(
        400, "BadRequest", 'strict decoding error: unknown field "bogus"'
    )
    twice = '{"metadata":{"name":"d"},"data":{"a":"1","a":"2"}}'
    admin.post(f"{cms}?fieldValidation=Strict", twice).refused(400, "BadRequest", 'duplicate field "data.a"')
    admin.post(cms, cm("e", data={"a": 5})).refused(
        400, "BadRequest", "json: cannot unmarshal number into Go struct field"
    )


def test_bodies_of_typed_go_clients(admin, cms):
    assert admin.post(cms, CONFIG_MAP, ct=PROTOBUF, accept=f"{PROTOBUF},application/json").status == 201
    assert admin.get(f"{cms}/c2").json["data"] == {"a": "b"}
    yaml = "metadata:\n  name: yml\ndata:\n  at: '2026-01-01'\n"
    assert admin.post(cms, yaml, ct="application/yaml").json["data"] == {"at": "2026-01-01"}
    nulls = {"metadata": {"name": "n", "creationTimestamp": None}, "data": None}
    assert admin.post(cms, nulls).status == 201
    admin.post(cms, "x", ct="text/plain").refused(415, "UnsupportedMediaType")
    admin.post(cms, "{").refused(400, "BadRequest", "must be of type ConfigMap")
    admin.post(cms, b"[" + b" " * 3 * 1024 * 1024 + b"]").refused(
        413, "RequestEntityTooLarge", "limit is 3145728"
    )


def test_patches(admin, cms):
    admin.post(cms, cm("a", data={"a": "1", "b": "2"}))
    assert admin.patch(f"{cms}/a", {"data": {"a": None, "c": "3"}}).json["data"] == {"b": "2", "c": "3"}
    moved = [
        {"op": "test", "path": "/data/b", "value": "2"},
        {"op": "add", "path": "/metadata/annotations", "value": {}},
        {"op": "add", "path": "/metadata/annotations/x.y~1z", "value": "1"},
        {"op": "remove", "path": "/data/c"},
    ]
    patched = admin.patch(f"{cms}/a", moved, ct=JSON_PATCH).json
    assert patched["metadata"]["annotations"] == {"x.y/z": "1"}
    wrong = [{"op": "test", "path": "/data/b", "value": "no"}]
    admin.patch(f"{cms}/a", wrong, ct=JSON_PATCH).refused(422, "Invalid")
    admin.patch(f"{cms}/a", {"metadata": {"resourceVersion": "1"}}).refused(409, "Conflict")
    admin.patch(f"{cms}/a", "{").refused(400, "BadRequest")
    admin.patch(f"{cms}/a", {}, ct="application/json").refused(
        415, "UnsupportedMediaType", "415: Unsupported Media Type"
    )


def test_a_strategic_patch_merges_containers_by_name(admin, ns):
    pods = f"/api/v1/namespaces/{ns}/pods"
    container = {"name": "main", "image": "i", "env": [{"name": "A", "value": "1"}]}
    assert admin.post(pods, {"metadata": {"name": "p"}, "spec": {"containers": [container]}}).status == 201
    patched = admin.patch(
        f"{pods}/p", {"spec": {"containers": [{"name": "main", "image": "j"}]}}, ct=STRATEGIC
    )
    (merged,) = patched.json["spec"]["containers"]
    assert (merged["image"], merged["env"]) == ("j", [{"name": "A", "value": "1"}])


def test_patches_at_the_same_time_all_take_and_updates_do_not(server, cms, admin):
    base = admin.post(cms, cm("a")).json

    def patch(index):
        api = server.api("admin-token")
        status = api.patch(f"{cms}/a", {"data": {f"k{index}": "1"}}).status
        api.close()
        return status

    def put(index):
        api = server.api("admin-token")
        status = api.put(f"{cms}/a", {**current, "data": {"w": str(index)}}).status
        api.close()
        return status

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(patch, range(16))) == [200] * 16
        current = admin.get(f"{cms}/a").json
        assert len(current["data"]) == 17
        assert sorted(pool.map(put, range(8))) == [200] + [409] * 7
    assert base["metadata"]["uid"] == current["metadata"]["uid"]


def test_apply_owns_what_it_says(admin, cms):
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "s"}, "data": {"a": "1", "b": "1"}}
    made = admin.apply(f"{cms}/s", body, "m1")
    assert made.status == 201
    assert revision(admin.apply(f"{cms}/s", body, "m1")) == revision(made)
    other = {**body, "data": {"a": "2"}}
    status = admin.apply(f"{cms}/s", other, "m2").refused(409, "Conflict", 'conflict with "m1"')
    assert status["details"]["causes"] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "m1"', "field": ".data.a"}
    ]
    assert admin.apply(f"{cms}/s", other, "m2", force=True).json["data"] == {"a": "2", "b": "1"}
    assert admin.apply(f"{cms}/s", {**body, "data": {}}, "m1").json["data"] == {"a": "2"}
    admin.request("PATCH", f"{cms}/s", body, ct="application/apply-patch+yaml").refused(
        422, "Invalid", "fieldManager"
    )


def test_a_namespace_that_ends_takes_its_contents_along(admin):
    assert admin.post("/api/v1/namespaces", {"metadata": {"name": "ending"}}).status == 201
    inside = "/api/v1/namespaces/ending/configmaps"
    admin.post(inside, cm("x", meta={"finalizers": ["a.b/c"]}))
    assert admin.delete("/api/v1/namespaces/ending").json["status"]["phase"] == "Terminating"
    status = admin.post(inside, cm("y")).refused(403, "Forbidden", "because it is being terminated")
    assert status["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    admin.eventually(f"{inside}/x", lambda answer: answer.json["metadata"].get("deletionTimestamp"))
    admin.patch(f"{inside}/x", {"metadata": {"finalizers": None}})
    admin.eventually("/api/v1/namespaces/ending", lambda answer: answer.status == 404)


def test_secrets_and_immutability(admin, ns):
    secrets = f"/api/v1/namespaces/{ns}/secrets"
    made = admin.post(secrets, {"metadata": {"name": "s"}, "stringData": {"k": "v"}}).json
    assert (made["data"], made["type"], "stringData" in made) == ({"k": "dg=="}, "Opaque", False)
    admin.post(secrets, {"metadata": {"name": "t"}, "data": {"k": "%%"}}).refused(400, "BadRequest")
    cms = f"/api/v1/namespaces/{ns}/configmaps"
    admin.post(cms, cm("fixed", immutable=True))
    admin.patch(f"{cms}/fixed", {"data": {"a": "2"}}).refused(
        422, "Invalid", "field is immutable when `immutable` is set"
    )


def test_pods_are_bound_once_and_leave_gracefully(admin, ns):
    pods = f"/api/v1/namespaces/{ns}/pods"
    admin.post(pods, {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}})
    binding = {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n1"}}
    assert admin.post(f"{pods}/p/binding", binding).json == {
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201,
    }  # fmt: skip
    admin.post(f"{pods}/p/binding", binding).refused(409, "Conflict", 'already assigned to node "n1"')
    assert admin.get(f"{pods}?fieldSelector=spec.nodeName%3Dn1").json["items"][0]["metadata"]["name"] == "p"
    going = admin.delete(f"{pods}/p").json["metadata"]
    assert going["deletionGracePeriodSeconds"] == 30
    assert (
        admin.delete(f"{pods}/p", {"gracePeriodSeconds": 5}).json["metadata"]["deletionGracePeriodSeconds"]
        == 5
    )
    assert (
        admin.delete(f"{pods}/p", {"gracePeriodSeconds": 60}).json["metadata"]["deletionGracePeriodSeconds"]
        == 5
    )
    assert admin.delete(f"{pods}/p", {"gracePeriodSeconds": 0}).status == 200
    assert admin.get(f"{pods}/p").status == 404


def test_logs_of_a_pod_that_has_none(admin, ns):
    pods = f"/api/v1/namespaces/{ns}/pods"
    containers = [{"name": "a", "image": "i"}, {"name": "b", "image": "i"}]
    spec = {"containers": containers, "schedulerName": "nobody"}
    assert admin.post(pods, {"metadata": {"name": "p"}, "spec": spec}).status == 201
    admin.get(f"{pods}/p/log").refused(
        400, "BadRequest", "a container name must be specified for pod p, choose one of: [a b]"
    )
    admin.get(f"{pods}/p/log?container=z").refused(400, "BadRequest", "container z is not valid for pod p")
    admin.get(f"{pods}/p/log?container=a&tailLines=-1").refused(422, "Invalid", "tailLines")
    assert admin.get(f"{pods}/p/log?container=a").status == 204
    unbound = admin.post(f"{pods}/p/exec?command=ls&container=a&stdout=true", None)
    unbound.refused(400, "BadRequest", "pod p does not have a host assigned")


def test_deletion_options_that_contradict(admin, cms):
    admin.post(cms, cm("a"))
    both = {"propagationPolicy": "Background", "orphanDependents": True}
    admin.delete(f"{cms}/a", both).refused(422, "Invalid", "cannot be both set")
    admin.delete(f"{cms}/a", {"propagationPolicy": "Nope"}).refused(422, "Invalid", "Unsupported value")
    marked = admin.delete(f"{cms}/a?propagationPolicy=Orphan").json
    assert marked["metadata"]["finalizers"] == ["orphan"]


def test_delete_collection_takes_what_the_selector_takes(admin, cms):
    for name, label in (("a", "x"), ("b", "x"), ("c", "y")):
        admin.post(cms, cm(name, meta={"labels": {"l": label}}))
    listed = admin.delete(f"{cms}?labelSelector=l%3Dx").json
    assert [item["metadata"]["name"] for item in listed["items"]] == ["a", "b"]
    left = admin.get(f"{cms}?labelSelector=l").json["items"]
    assert [item["metadata"]["name"] for item in left] == ["c"]


def test_events_have_two_faces(admin, ns):
    core = f"/api/v1/namespaces/{ns}/events"
    about = {"kind": "Pod", "name": "p", "namespace": ns}
    event = {
        "metadata": {"name": "e"}, "involvedObject": about, "message": "m", "reason": "R", "type": "Normal", "count": 2,
    }  # fmt: skip
    assert admin.post(core, event).status == 201
    new = admin.get(f"/apis/events.k8s.io/v1/namespaces/{ns}/events/e").json
    assert (new["regarding"]["name"], new["note"], new["deprecatedCount"]) == ("p", "m", 2)
    assert new["apiVersion"] == "events.k8s.io/v1"
    chosen = admin.get(f"{core}?fieldSelector=involvedObject.name%3Dp,involvedObject.kind%3DPod").json[
        "items"
    ]
    assert len(chosen) == 1


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_methods_that_a_collection_does_not_have(admin, cms, method):
    admin.request(method, cms, {}).refused(405, "MethodNotAllowed", "the server does not allow this method")
