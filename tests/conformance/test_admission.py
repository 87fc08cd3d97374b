"""Admission policies, limits, quotas and pod security on a running server; texts are a real one's."""

import threading
import time

import pytest

POLICIES = "/apis/admissionregistration.k8s.io/v1/"
CONFIG_MAPS = {
    "apiGroups": [""],
    "apiVersions": ["v1"],
    "operations": ["CREATE"],
    "resources": ["configmaps"],
}


@pytest.fixture
def policy(admin, ns):
    """Makes a policy and its binding to the test's namespace; both go at the end."""
    made = []

    def make(kind, spec, **binding):
        name = f"{ns}-{len(made)}"
        match = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": ns}}}
        plural, bindings = f"{kind.lower()}admissionpolicies", f"{kind.lower()}admissionpolicybindings"
        spec = {"matchConstraints": {"resourceRules": [CONFIG_MAPS]}, **spec}
        answer = admin.post(POLICIES + plural, {"metadata": {"name": name}, "spec": spec})
        assert answer.status == 201, answer.raw
        bound = {"policyName": name, "matchResources": match, **binding}
        answer = admin.post(POLICIES + bindings, {"metadata": {"name": name}, "spec": bound})
        assert answer.status == 201, answer.raw
        made.extend([f"{POLICIES}{bindings}/{name}", f"{POLICIES}{plural}/{name}"])
        return name

    yield make
    for path in made:
        admin.delete(path)


def validating(policy, *validations, actions=("Deny",), **spec):
    return policy("Validating", {"validations": list(validations), **spec}, validationActions=list(actions))


def config(name, **data):
    return {"metadata": {"name": name}, "data": data or {"a": "b"}}


def test_a_policy_denies_with_its_message_reason_and_code(admin, cms, policy):
    name = validating(
        policy,
        {"expression": "object.data.a != 'plain'"},
        {
            "expression": "object.data.a != 'said'",
            "messageExpression": "'not ' + object.data.a",
            "reason": "Forbidden",
        },
        {"expression": "object.data.a != 'error' || object.data.zz == ''"},
    )
    said = f"ValidatingAdmissionPolicy '{name}' with binding '{name}' denied request: "
    admin.post(cms, config("c", a="plain")).refused(
        422, "Invalid", said + "failed expression: object.data.a != 'plain'"
    )
    admin.post(cms, config("c", a="said")).refused(403, "Forbidden", said + "not said")
    admin.post(cms, config("c", a="error")).refused(422, "Invalid", "resulted in error: no such key: zz")
    assert admin.post(cms, config("c", a="fine")).status == 201


def test_warnings_params_variables_and_conditions(admin, cms, policy):
    admin.post(cms, config("limit", most="1"))
    policy(
        "Validating",
        {
            "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
            "matchConditions": [{"name": "no-skips", "expression": "object.metadata.name != 'skip'"}],
            "variables": [{"name": "count", "expression": "size(object.data)"}],
            "validations": [
                {
                    "expression": "variables.count <= int(params.data.most)",
                    "messageExpression": "string(variables.count) + ' are too many'",
                }
            ],
        },
        validationActions=["Warn"],
        paramRef={"name": "limit", "parameterNotFoundAction": "Deny"},
    )
    answer = admin.post(cms, config("two", a="1", b="2"))
    assert answer.status == 201
    assert "2 are too many" in answer.warnings[0]
    assert admin.post(cms, config("skip", a="1", b="2")).warnings == []


def test_the_authorizer_is_asked_for_the_user(admin, alice, ns, cms, policy):
    admin.post(
        f"/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/rolebindings",
        {
            "metadata": {"name": "edit"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
            "subjects": [{"kind": "User", "name": "alice", "apiGroup": "rbac.authorization.k8s.io"}],
        },
    )
    may = "authorizer.group('').resource('nodes').check('delete').allowed()"
    validating(policy, {"expression": may, "message": "not an administrator"})
    alice.post(cms, config("c")).refused(422, "Invalid", "not an administrator")
    assert admin.post(cms, config("c")).status == 201


def test_what_does_not_compile_is_refused_when_it_is_written(admin):
    spec = {
        "matchConstraints": {"resourceRules": [CONFIG_MAPS]},
        "validations": [{"expression": "object.a +"}],
    }
    answer = admin.post(
        POLICIES + "validatingadmissionpolicies", {"metadata": {"name": "broken"}, "spec": spec}
    )
    status = answer.refused(
        422, "Invalid", "compilation failed: ERROR: <input>:1:11: Syntax error: mismatched input"
    )
    assert status["details"]["causes"][0]["field"] == "spec.validations[0].expression"


def test_an_expression_that_would_run_for_ever_is_ended_and_the_server_answers_meanwhile(
    server, admin, cms, policy
):
    loops = "object.data.all(a, object.data.all(b, object.data.all(c, object.data.all(d, a != ''))))"
    validating(policy, {"expression": loops})
    other, done, answers = server.api("admin-token"), threading.Event(), []

    def ask():
        while not done.is_set():
            answers.append(other.get("/healthz").status)

    asking = threading.Thread(target=ask)
    asking.start()
    began = time.monotonic()
    answer = admin.post(cms, config("c", **{f"k{index}": "v" for index in range(500)}))
    done.set()
    asking.join()
    other.close()
    answer.refused(422, "Invalid", "operation cancelled: actual cost limit exceeded")
    assert set(answers) == {200}
    assert time.monotonic() - began < 60


def test_policies_change_objects_by_both_kinds_of_patches(admin, cms, policy):
    apply = (
        "Object{metadata: Object.metadata{labels: Object.metadata.labels{size: string(size(object.data))}}}"
    )
    patch = "[JSONPatch{op: 'add', path: '/data/' + jsonpatch.escapeKey('a.b'), value: 'c'}]"
    policy(
        "Mutating",
        {
            "reinvocationPolicy": "Never",
            "mutations": [
                {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": apply}},
                {"patchType": "JSONPatch", "jsonPatch": {"expression": patch}},
            ],
        },
    )
    made = admin.post(cms, config("c")).json
    assert made["metadata"]["labels"] == {"size": "1"}
    assert made["data"] == {"a": "b", "a.b": "c"}


def test_a_mutation_that_makes_another_type_is_an_error_with_its_cause(admin, cms, policy):
    patch = "[JSONPatch{op: 'add', path: '/data/a', value: 1}]"
    policy(
        "Mutating",
        {
            "reinvocationPolicy": "Never",
            "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": patch}}],
        },
    )
    why = "json: cannot unmarshal number into Go struct field ConfigMap.data of type string"
    admin.post(cms, config("c")).refused(500, "InternalError", why)


def pod(name, resources=None, **spec):
    container = {"name": "c", "image": "i", **({"resources": resources} if resources else {})}
    return {"metadata": {"name": name}, "spec": {"containers": [container], **spec}}


def test_limit_ranges_fill_in_and_bound(admin, ns):
    limits = [
        {
            "type": "Container",
            "default": {"cpu": "500m"},
            "defaultRequest": {"cpu": "100m"},
            "max": {"cpu": "1"},
        }
    ]
    base = f"/api/v1/namespaces/{ns}"
    assert (
        admin.post(f"{base}/limitranges", {"metadata": {"name": "l"}, "spec": {"limits": limits}}).status
        == 201
    )
    made = admin.post(f"{base}/pods", pod("p")).json
    assert made["spec"]["containers"][0]["resources"] == {
        "limits": {"cpu": "500m"},
        "requests": {"cpu": "100m"},
    }
    note = "LimitRanger plugin set: cpu request for container c; cpu limit for container c"
    assert made["metadata"]["annotations"]["kubernetes.io/limit-ranger"] == note
    why = "maximum cpu usage per Container is 1, but limit is 2"
    admin.post(f"{base}/pods", pod("q", {"limits": {"cpu": "2"}})).refused(403, "Forbidden", why)


def test_a_quota_lets_no_more_in_however_many_ask_at_once(server, admin, ns, cms):
    quotas = f"/api/v1/namespaces/{ns}/resourcequotas"
    already = len(admin.get(cms).json["items"])
    hard = {"configmaps": str(already + 5)}
    assert admin.post(quotas, {"metadata": {"name": "q"}, "spec": {"hard": hard}}).status == 201
    admin.eventually(f"{quotas}/q", lambda answer: answer.json.get("status", {}).get("used"))
    statuses = []

    def write(writer):
        api = server.api("admin-token")
        statuses.extend(api.post(cms, config(f"c-{writer}-{index}")).status for index in range(5))
        api.close()

    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for one in writers:
        one.start()
    for one in writers:
        one.join()
    assert sorted(statuses) == [201] * 5 + [403] * 15
    status = admin.get(f"{quotas}/q").json["status"]
    assert status == {"hard": hard, "used": hard}
    text = f"exceeded quota: q, requested: configmaps=1, used: configmaps={already + 5}, limited: configmaps={already + 5}"
    admin.post(cms, config("more")).refused(403, "Forbidden", text)
    first = next(item for item in admin.get(cms).json["items"] if item["metadata"]["name"].startswith("c-"))
    admin.delete(f"{cms}/{first['metadata']['name']}")
    left = str(already + 4)
    admin.eventually(f"{quotas}/q", lambda answer: answer.json["status"]["used"]["configmaps"] == left)
    assert admin.post(cms, config("more")).status == 201


def test_pod_security_refuses_warns_and_looks_at_what_is_there(admin, ns):
    base = f"/api/v1/namespaces/{ns}"

    def label(**labels):
        named = {f"pod-security.kubernetes.io/{key}": value for key, value in labels.items()}
        body = {"metadata": {"labels": named}}
        return admin.patch(base, body)

    assert admin.post(f"{base}/pods", pod("old", hostNetwork=True)).status == 201
    answer = label(enforce="baseline", warn="restricted")
    assert answer.status == 200, answer.raw
    assert any("old: host namespaces" in warning for warning in answer.warnings), answer.warnings
    why = 'violates PodSecurity "baseline:latest": host namespaces (hostNetwork=true)'
    admin.post(f"{base}/pods", pod("new", hostNetwork=True)).refused(403, "Forbidden", why)
    answer = admin.post(f"{base}/pods", pod("plain"))
    assert answer.status == 201
    assert "would violate PodSecurity" in answer.warnings[0]
    label(enforce="sometimes").refused(422, "Invalid", "must be one of privileged, baseline, restricted")
