"""The review APIs, impersonation, and the bootstrap roles as data."""

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from sympozium.localkube.access import bootstrap, tokenfile
from sympozium.localkube.access.authentication import Authentication
from sympozium.localkube.access.impersonation import impersonated
from sympozium.localkube.access.rbac import RBAC
from sympozium.localkube.access.reviews import Reviews
from sympozium.localkube.access.tokens import ServiceAccountTokens
from sympozium.localkube.access.union import Union
from sympozium.localkube.errors import ApiError
from sympozium.localkube.types import Attributes, UserInfo

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def cluster(objects):
    """All bootstrap roles."""
    for path, obj in bootstrap.objects():
        parts = path.split("/")
        if "namespaces" in parts:
            obj["metadata"]["namespace"] = parts[-2]
        objects.put("rbac.authorization.k8s.io", parts[-1], obj)
    return objects


@pytest.fixture
def rbac(cluster):
    return RBAC(cluster)


@pytest.fixture
def reviews(cluster, rbac):
    tokens = ServiceAccountTokens(KEY, cluster)
    static = tokenfile.parse("good,alice,1,devs\n")
    who = Authentication(static_tokens=static, service_accounts=tokens)
    return Reviews(authenticator=who, authorizer=Union(rbac), rbac=rbac, tokens=tokens, objects=cluster)


def test_a_token_review_never_gives_the_token_back(reviews, alice):
    answer = reviews.create("tokenreviews", "", {"spec": {"token": "good"}}, alice)
    assert answer["status"]["authenticated"]
    assert answer["status"]["user"]["username"] == "alice"
    assert "good" not in str(answer)
    bad = reviews.create("tokenreviews", "", {"spec": {"token": "bad"}}, alice)
    assert "authenticated" not in bad["status"]
    assert bad["status"]["error"]


def test_reviews_answer_for_the_caller_or_for_whom_they_name(reviews, objects, alice):
    objects.role("r", {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}, namespace="ns")
    objects.bind("r", "User/alice", namespace="ns")
    spec = {"resourceAttributes": {"namespace": "ns", "verb": "get", "resource": "pods"}}
    assert reviews.create("selfsubjectaccessreviews", "", {"spec": spec}, alice)["status"]["allowed"]
    named = {"spec": spec | {"user": "bob"}}
    assert not reviews.create("subjectaccessreviews", "", named, alice)["status"]["allowed"]
    named = {"spec": spec | {"user": "alice"}}
    assert reviews.create("localsubjectaccessreviews", "ns", named, alice)["status"]["allowed"]
    with pytest.raises(ApiError, match=r"must match metadata\.namespace"):
        reviews.create("localsubjectaccessreviews", "other", named, alice)


@pytest.mark.parametrize(
    ("resource", "spec", "message"),
    [
        ("selfsubjectaccessreviews", {}, "exactly one of"),
        ("subjectaccessreviews", {"nonResourceAttributes": {"path": "/x"}}, "at least one of user or group"),
        ("tokenreviews", {}, "token is required for TokenReview in authentication"),
        ("selfsubjectrulesreviews", {}, "no namespace"),
        (
            "selfsubjectaccessreviews",
            {"resourceAttributes": {"verb": "list", "labelSelector": {}}},
            "requirements or rawSelector is required",
        ),
        (
            "selfsubjectaccessreviews",
            {"resourceAttributes": {"fieldSelector": {"requirements": [{"key": "a", "operator": "In"}]}}},
            "values: Required value",
        ),
        (
            "localsubjectaccessreviews",
            {"nonResourceAttributes": {"path": "/"}, "user": "x"},
            "disallowed on this kind of request",
        ),
    ],
)
def test_malformed_reviews_are_refused(reviews, alice, resource, spec, message):
    with pytest.raises(ApiError, match=message):
        reviews.create(resource, "", {"spec": spec}, alice)


def test_selectors_that_cannot_be_read_are_left_out_and_the_answer_says_so(reviews, alice):
    selector = {"requirements": [{"key": "a", "operator": "Bad", "values": ["b"]}]}
    spec = {"resourceAttributes": {"verb": "list", "resource": "pods", "labelSelector": selector}}
    status = reviews.create("selfsubjectaccessreviews", "", {"spec": spec}, alice)["status"]
    assert status["evaluationError"] == "spec.resourceAttributes.labelSelector ignored due to parse error"


def test_rules_reviews_list_what_holds(reviews, objects, alice):
    objects.role("r", {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}, namespace="ns")
    objects.bind("r", "User/alice", namespace="ns")
    status = reviews.create("selfsubjectrulesreviews", "", {"spec": {"namespace": "ns"}}, alice)["status"]
    assert {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]} in status["resourceRules"]
    assert any("/api" in rule["nonResourceURLs"] for rule in status["nonResourceRules"])
    root = UserInfo(username="root", groups=("system:masters",))
    status = reviews.create("selfsubjectrulesreviews", "", {"spec": {"namespace": "ns"}}, root)["status"]
    assert {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]} in status["resourceRules"]


@pytest.mark.parametrize(
    ("role", "verb", "resource", "group", "allowed"),
    [
        ("view", "get", "pods", "", True),
        ("view", "get", "secrets", "", False),
        ("view", "create", "pods", "", False),
        ("edit", "get", "secrets", "", True),
        ("edit", "delete", "jobs", "batch", True),
        ("edit", "create", "roles", "rbac.authorization.k8s.io", False),
        ("admin", "create", "rolebindings", "rbac.authorization.k8s.io", True),
        ("admin", "get", "pods", "", True),
        ("admin", "create", "namespaces", "", False),
        ("cluster-admin", "delete", "anything", "x.dev", True),
    ],
)
def test_default_roles_give_what_their_names_promise(
    cluster, rbac, alice, role, verb, resource, group, allowed
):
    cluster.bind(role, "User/alice", namespace="ns", kind="ClusterRole")
    question = Attributes(user=alice, verb=verb, resource=resource, group=group, namespace="ns")
    assert rbac.authorize(question).allowed is allowed


def test_everybody_may_discover_and_review_themselves_and_anonymous_may_probe(rbac, alice):
    nobody = UserInfo(username="system:anonymous", groups=("system:unauthenticated",))
    for path, known, unknown in (("/healthz", True, True), ("/version", True, True), ("/api", True, False), ("/apis/batch/v1", True, False), ("/metrics", False, False)):  # fmt: skip
        assert rbac.authorize(Attributes(user=alice, verb="get", path=path)).allowed is known, path
        assert rbac.authorize(Attributes(user=nobody, verb="get", path=path)).allowed is unknown, path
    review = Attributes(
        user=alice, verb="create", group="authorization.k8s.io", resource="selfsubjectaccessreviews"
    )
    assert rbac.authorize(review).allowed


def test_bootstrap_completes_but_takes_nothing_away():
    wanted = {
        "metadata": {"name": "r"},
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}],
    }
    own = {"apiGroups": ["x"], "resources": ["y"], "verbs": ["*"]}
    current = {
        "metadata": {"name": "r"},
        "rules": [own, {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
    }
    merged = bootstrap.completed(current, wanted)
    assert merged["rules"] == [
        *current["rules"],
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
    ]
    assert bootstrap.completed(merged, wanted) is None
    left_alone = {"metadata": {"name": "r", "annotations": {bootstrap.AUTOUPDATE: "false"}}, "rules": []}
    assert bootstrap.completed(left_alone, wanted) is None
    subjects = {"metadata": {"name": "b"}, "subjects": [{"kind": "Group", "name": "g"}]}
    mine = {"metadata": {"name": "b"}, "subjects": [{"kind": "User", "name": "me"}]}
    assert [s["name"] for s in bootstrap.completed(mine, subjects)["subjects"]] == ["me", "g"]


def test_impersonation_asks_for_each_part(objects, alice):
    authorizer = Union(RBAC(objects))
    headers = {"impersonate-user": "bob", "impersonate-group": "ops, devs"}
    with pytest.raises(ApiError, match='User "alice" cannot impersonate resource "users"') as refused:
        impersonated(alice, headers, authorizer)
    assert refused.value.code == 403
    objects.role(
        "i", {"apiGroups": [""], "resources": ["users"], "resourceNames": ["bob"], "verbs": ["impersonate"]}
    )
    objects.bind("i", "User/alice")
    with pytest.raises(ApiError, match='resource "groups"'):
        impersonated(alice, headers, authorizer)
    assert impersonated(alice, {"impersonate-user": "bob"}, authorizer) == UserInfo(
        username="bob", groups=("system:authenticated",)
    )
    objects.role("i", {"apiGroups": [""], "resources": ["users", "groups"], "verbs": ["impersonate"]})
    assert impersonated(alice, headers, authorizer).groups == ("ops", "devs", "system:authenticated")


def test_impersonated_accounts_extras_and_headers_without_a_user(alice):
    root = UserInfo(username="root", groups=("system:masters",))
    everything = Union()
    bot = impersonated(root, {"impersonate-user": "system:serviceaccount:ns:bot"}, everything)
    assert bot.groups == ("system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated")
    scoped = impersonated(root, {"impersonate-user": "x", "impersonate-extra-a%2fb": "1,2"}, everything)
    assert scoped.extra == {"a/b": ("1", "2")}
    nobody = impersonated(root, {"impersonate-user": "system:anonymous"}, everything)
    assert nobody.groups == ("system:unauthenticated",)
    assert impersonated(alice, {}, everything) is alice
    with pytest.raises(ApiError, match="without impersonating a user"):
        impersonated(root, {"impersonate-group": "x"}, everything)
