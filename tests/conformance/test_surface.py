"""Discovery, negotiation, health, identities."""

import gzip

import pytest

from conformance.kubeapi import JSON_PATCH

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"


@pytest.fixture(scope="module")
def nobody(server):
    api = server.api(None)
    yield api
    api.close()


def test_health_is_open_to_everybody(admin, nobody):
    for path in ("/healthz", "/livez", "/readyz"):
        assert (nobody.get(path).status, nobody.get(path).raw) == (200, b"ok")
    assert b"[+]bootstrap ok" in admin.get("/readyz?verbose").raw
    assert admin.get("/version/").json["major"] == "1"


def test_plain_discovery(admin):
    assert admin.get("/api").json["versions"] == ["v1"]
    groups = {group["name"]: group for group in admin.get("/apis").json["groups"]}
    assert groups["batch"]["preferredVersion"] == {"groupVersion": "batch/v1", "version": "v1"}
    core = {item["name"]: item for item in admin.get("/api/v1").json["resources"]}
    assert core["pods"]["shortNames"] == ["po"]
    assert {"pods/log", "pods/status", "pods/eviction", "pods/binding", "serviceaccounts/token"} <= set(core)
    assert core["serviceaccounts/token"]["kind"] == "TokenRequest"
    assert admin.get("/apis/batch").json["kind"] == "APIGroup"
    assert admin.get("/apis/batch/v1").json["groupVersion"] == "batch/v1"


def test_aggregated_discovery_is_cacheable(admin):
    answer = admin.get("/apis", accept=AGGREGATED)
    assert answer.json["kind"] == "APIGroupDiscoveryList"
    assert answer.headers["content-type"] == AGGREGATED.partition(",")[0]
    again = admin.get("/apis", accept=AGGREGATED, If_None_Match=answer.headers["etag"])
    assert (again.status, again.raw) == (304, b"")


def test_paths_that_are_nothing(admin, ns):
    assert admin.get("/apis/nope.example.com/v1").status == 404
    assert admin.get("/apis/nope.example.com/v1/things").raw == b"404 page not found\n"
    admin.get(f"/api/v1/namespaces/{ns}/frobs").refused(
        404, "NotFound", "the server could not find the requested resource"
    )
    admin.get(f"/api/v1/namespaces/{ns}/nodes").refused(404, "NotFound")


def test_forms_of_an_answer(admin):
    path = "/api/v1/namespaces/default"
    assert admin.get(path, accept="*/*").headers["content-type"] == "application/json"
    assert admin.get(path, accept=None).status == 200
    assert b"kind: Namespace" in admin.get(path, accept="application/yaml").raw
    assert (
        admin.get(path, accept="application/vnd.kubernetes.protobuf,application/json").json["kind"]
        == "Namespace"
    )
    admin.get(path, accept="text/html").refused(406, "NotAcceptable")
    assert admin.get(path).headers["cache-control"] == "no-cache, private"


def test_only_large_answers_are_compressed(admin, cms):
    assert admin.post(cms, {"metadata": {"name": "big"}, "data": {"a": "x" * 200_000}}).status == 201
    large = admin.get(f"{cms}/big", Accept_Encoding="gzip")
    assert large.headers["content-encoding"] == "gzip"
    assert len(gzip.decompress(large.raw)) > 200_000
    assert "content-encoding" not in admin.get("/api/v1/namespaces/default", Accept_Encoding="gzip").headers


def test_who_may_do_nothing_is_told_what_he_may_not(admin, alice, nobody, cms, ns):
    assert nobody.get(cms).refused(
        403, "Forbidden", 'User "system:anonymous" cannot list resource "configmaps"'
    )
    status = alice.get(cms).refused(
        403,
        "Forbidden",
        f'configmaps is forbidden: User "alice" cannot list resource "configmaps" in API group "" in the namespace "{ns}"',
    )
    assert status["details"] == {"kind": "configmaps"}
    alice.get("/metrics").refused(403, "Forbidden", 'User "alice" cannot get path "/metrics"')
    alice.get("/api/v1/nodes").refused(403, "Forbidden", "at the cluster scope")
    assert b"localkube_requests_total" in admin.get("/metrics").raw


def test_a_wrong_token_is_not_anonymous(server):
    api = server.api("wrong")
    api.get("/healthz").refused(401, "Unauthorized", "Unauthorized")
    api.close()


def test_a_role_holds_for_the_very_next_request(admin, alice, ns, cms):
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}"
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}]
    assert admin.post(f"{rbac}/roles", {"metadata": {"name": "r"}, "rules": rules}).status == 201
    binding = {
        "metadata": {"name": "r"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"},
        "subjects": [{"kind": "User", "name": "alice", "apiGroup": "rbac.authorization.k8s.io"}],
    }
    assert admin.post(f"{rbac}/rolebindings", binding).status == 201
    assert alice.get(cms).status == 200
    assert alice.get(f"{cms}/x").status == 403
    assert alice.get("/api/v1/namespaces/default/configmaps").status == 403
    assert admin.delete(f"{rbac}/rolebindings/r").status == 200
    assert alice.get(cms).status == 403


def test_an_administrator_may_speak_for_others(admin, alice, cms):
    reviews = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    who = admin.post(reviews, {}, Impersonate_User="alice").json["status"]["userInfo"]
    assert who["username"] == "alice"
    admin.get(cms, Impersonate_User="alice").refused(403, "Forbidden", 'User "alice" cannot list')
    alice.get("/api", Impersonate_User="admin").refused(403, "Forbidden", "cannot impersonate")


def test_a_service_account_token_is_a_user(admin, server, ns):
    accounts = f"/api/v1/namespaces/{ns}/serviceaccounts"
    made = admin.post(f"{accounts}/default/token", {"spec": {"expirationSeconds": 600}})
    assert made.status == 201
    api = server.api(made.json["status"]["token"])
    who = api.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", {}).json["status"]["userInfo"]
    assert who["username"] == f"system:serviceaccount:{ns}:default"
    api.close()


NINES = "9" * 5000


@pytest.mark.parametrize(
    "query",
    [
        f"resourceVersion={NINES}", "resourceVersion=%C2%B2", f"limit={NINES}", f"timeoutSeconds={NINES}",
        f"watch=1&resourceVersion={NINES}", "watch=1&timeoutSeconds=%D9%A3", "limit=+1",
    ],
)  # fmt: skip
def test_numbers_that_only_python_would_read_are_refused(admin, cms, query):
    admin.get(f"{cms}?{query}").refused(400, "BadRequest")
    assert admin.get(f"{cms}?limit=9223372036854775807").status == 200


def test_numbers_of_logs_and_patches(admin, ns):
    pods = f"/api/v1/namespaces/{ns}/pods"
    pod = {
        "metadata": {"name": "p"},
        "spec": {
            "nodeName": "n",
            "containers": [{"name": "c", "image": "x"}],
            "terminationGracePeriodSeconds": 10**15,
        },
    }
    assert admin.post(pods, pod).status == 201
    for query in ("tailLines=--5", "tailLines=%C2%B2", f"tailLines={NINES}", "sinceSeconds=x"):
        admin.get(f"{pods}/p/log?{query}").refused(422, "Invalid")
    operation = {"op": "remove", "path": f"/spec/containers/{NINES}"}
    admin.patch(f"{pods}/p", [operation], ct=JSON_PATCH).refused(422, "Invalid")
    for body in (
        {"preconditions": 5},
        {"preconditions": {"uid": 5}},
        {"dryRun": "All"},
        {"orphanDependents": []},
    ):
        admin.delete(f"{pods}/p", body).refused(400, "BadRequest", "cannot unmarshal")
    assert admin.delete(f"{pods}/p", {}).status == 200
    assert admin.delete(f"{pods}/p", {"gracePeriodSeconds": 10**12}).status == 200
    assert admin.delete(f"{pods}/p", {"gracePeriodSeconds": 0}).status == 200


def test_impersonation_without_a_user_is_no_request_as_oneself(admin):
    for header in ("Impersonate_Group", "Impersonate_Uid", "Impersonate_Extra_a"):
        admin.get("/api/v1/nodes", **{header: "devs"}).refused(
            400, "BadRequest", "without impersonating a user"
        )
