"""Credentials: tokens that are alive, tokens that are not, the token file, certificates."""

import base64
import json

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from sympozium.localkube.access import tokenfile
from sympozium.localkube.access.authentication import Authentication
from sympozium.localkube.access.tokenrequest import TokenRequests
from sympozium.localkube.access.tokens import ISSUER, InvalidTokenError, ServiceAccountTokens
from sympozium.localkube.errors import ApiError
from sympozium.localkube.types import UserInfo

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ADMIN = UserInfo(username="admin", groups=("system:masters",))


@pytest.fixture
def account(objects):
    return objects.put("", "serviceaccounts", {"metadata": {"name": "bot", "namespace": "ns", "uid": "u1"}})


@pytest.fixture
def pod(objects):
    meta = {"name": "p", "namespace": "ns", "uid": "pu"}
    return objects.put(
        "", "pods", {"metadata": meta, "spec": {"serviceAccountName": "bot", "nodeName": "n1"}}
    )


@pytest.fixture
def tokens(objects):
    return ServiceAccountTokens(KEY, objects)


def claims(token):
    body = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))


def request(objects, tokens, user=ADMIN, **spec):
    return TokenRequests(tokens, objects).create("ns", "bot", {"spec": spec}, user)


def test_a_token_has_the_claims_of_kubernetes_and_gives_its_user(account, objects, tokens):
    answer = request(objects, tokens, expirationSeconds=600)
    token = answer["status"]["token"]
    inside = claims(token)
    assert inside["sub"] == "system:serviceaccount:ns:bot"
    assert inside["exp"] - inside["iat"] == 600
    assert inside["kubernetes.io"] == {"namespace": "ns", "serviceaccount": {"name": "bot", "uid": "u1"}}
    user, audiences = tokens.authenticate(token)
    assert user.username == "system:serviceaccount:ns:bot"
    assert user.uid == "u1"
    assert user.groups == ("system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated")
    assert audiences == [ISSUER]


def test_an_account_made_again_does_not_revive_old_tokens(account, objects, tokens):
    token = request(objects, tokens)["status"]["token"]
    assert tokens.authenticate(token)
    objects.remove("", "serviceaccounts", "ns", "bot")
    with pytest.raises(InvalidTokenError, match="does not exist"):
        tokens.authenticate(token)
    objects.put("", "serviceaccounts", {"metadata": {"name": "bot", "namespace": "ns", "uid": "u2"}})
    with pytest.raises(InvalidTokenError):
        tokens.authenticate(token)


def test_a_token_dies_with_its_pod_and_says_where_it_ran(account, pod, objects, tokens):
    objects.put("", "nodes", {"metadata": {"name": "n1", "uid": "nu"}})
    ref = {"kind": "Pod", "apiVersion": "v1", "name": "p", "uid": "pu"}
    token = request(objects, tokens, boundObjectRef=ref)["status"]["token"]
    user, _ = tokens.authenticate(token)
    assert user.extra["authentication.kubernetes.io/pod-name"] == ("p",)
    assert user.extra["authentication.kubernetes.io/node-name"] == ("n1",)
    objects.remove("", "nodes", "", "n1")
    assert tokens.authenticate(token)
    objects.remove("", "pods", "ns", "p")
    with pytest.raises(InvalidTokenError, match="pod p of the token"):
        tokens.authenticate(token)


def test_a_token_dies_with_its_secret(account, objects, tokens):
    objects.put("", "secrets", {"metadata": {"name": "s", "namespace": "ns", "uid": "su"}})
    ref = {"kind": "Secret", "apiVersion": "v1", "name": "s"}
    token = request(objects, tokens, boundObjectRef=ref)["status"]["token"]
    assert tokens.authenticate(token)
    objects.remove("", "secrets", "ns", "s")
    with pytest.raises(InvalidTokenError):
        tokens.authenticate(token)


@pytest.mark.parametrize(
    ("spec", "code", "message"),
    [
        ({"expirationSeconds": 60}, 422, "less than 10 minutes"),
        ({"expirationSeconds": True}, 422, "must be an integer"),
        ({"boundObjectRef": {"kind": "ConfigMap", "name": "x"}}, 400, "cannot bind token to object of type"),
        ({"boundObjectRef": {"kind": "Pod"}}, 400, "Name parameter required"),
        ({"boundObjectRef": {"kind": "Pod", "name": "none"}}, 404, 'pods "none" not found'),
        ({"boundObjectRef": {"kind": "Pod", "name": "p", "uid": "other"}}, 409, "does not match the UID"),
    ],
)
def test_wrong_token_requests_are_refused(account, pod, objects, tokens, spec, code, message):
    with pytest.raises(ApiError, match=message) as refused:
        request(objects, tokens, **spec)
    assert refused.value.code == code


def test_a_pod_of_another_account_cannot_be_bound(account, objects, tokens):
    meta = {"name": "q", "namespace": "ns", "uid": "qu"}
    objects.put("", "pods", {"metadata": meta, "spec": {"serviceAccountName": "default"}})
    with pytest.raises(ApiError, match="different serviceaccount name"):
        request(objects, tokens, boundObjectRef={"kind": "Pod", "name": "q"})


@pytest.mark.parametrize(
    ("node", "ref", "message"),
    [
        ("n1", {}, "not bound to a pod"),
        ("n1", {"kind": "Pod", "name": "p"}, "without a uid"),
        ("n1", {"kind": "Pod", "name": "p", "uid": "x"}, "does not exist"),
        ("n2", {"kind": "Pod", "name": "p", "uid": "pu"}, "different node"),
    ],
)
def test_a_node_gets_tokens_of_its_own_pods_alone(account, pod, objects, tokens, node, ref, message):
    user = UserInfo(username=f"system:node:{node}", groups=("system:nodes",))
    with pytest.raises(ApiError, match=message) as refused:
        request(objects, tokens, user, boundObjectRef=ref)
    assert refused.value.code == 403
    mine = UserInfo(username="system:node:n1", groups=("system:nodes",))
    assert request(objects, tokens, mine, boundObjectRef={"kind": "Pod", "name": "p", "uid": "pu"})


def test_audiences_are_held(account, objects, tokens):
    token = request(objects, tokens, audiences=["other", "third"])["status"]["token"]
    with pytest.raises(InvalidTokenError, match="audiences"):
        tokens.authenticate(token)
    assert tokens.authenticate(token, ["x", "third"])[1] == ["third"]


def forged(**changes):
    base = {"aud": [ISSUER], "exp": 2**33, "iat": 1, "nbf": 1, "iss": ISSUER, "jti": "j"}
    inner = {"namespace": "ns", "serviceaccount": {"name": "bot", "uid": "u1"}}
    return base | {"sub": "system:serviceaccount:ns:bot", "kubernetes.io": inner} | changes


def test_forged_and_expired_tokens_are_refused(account, tokens):
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    wrong = [
        jwt.encode(forged(), other, algorithm="RS256"),
        jwt.encode(forged(), "secret" * 8, algorithm="HS256"),
        jwt.encode(forged(), None, algorithm="none"),
        jwt.encode(forged(exp=2), KEY, algorithm="RS256"),
        jwt.encode(forged(iss="https://elsewhere"), KEY, algorithm="RS256"),
        jwt.encode(forged(nbf=2**33), KEY, algorithm="RS256"),
        "not a token",
        "",
    ]
    for token in wrong:
        with pytest.raises(InvalidTokenError):
            tokens.authenticate(token)
    assert tokens.authenticate(jwt.encode(forged(), KEY, algorithm="RS256"))


def test_a_cached_token_still_expires(account, tokens, monkeypatch):
    token = jwt.encode(forged(), KEY, algorithm="RS256")
    tokens.authenticate(token)
    monkeypatch.setattr("sympozium.localkube.access.tokens.time.time", lambda: 2**33 + 1)
    with pytest.raises(InvalidTokenError, match="expired"):
        tokens.authenticate(token)


async def test_bearer_tokens_certificates_and_nobody(account, objects, tokens):
    static = tokenfile.parse('t1,alice,7,"devs,ops"\n')
    who = Authentication(static_tokens=static, service_accounts=tokens)
    nobody = await who.authenticate({}, None)
    assert (nobody.username, nobody.groups) == ("system:anonymous", ("system:unauthenticated",))
    alice = await who.authenticate({"authorization": "Bearer t1"}, None)
    assert (alice.username, alice.uid) == ("alice", "7")
    assert alice.groups == ("devs", "ops", "system:authenticated")
    token = request(objects, tokens)["status"]["token"]
    bot = await who.authenticate({"authorization": f"bearer {token}"}, None)
    assert bot.username == "system:serviceaccount:ns:bot"
    with pytest.raises(ApiError, match="Unauthorized") as refused:
        await who.authenticate({"authorization": "Bearer wrong"}, None)
    assert refused.value.code == 401


def test_the_token_file_is_read_as_kubernetes_reads_it():
    users = tokenfile.parse('# people\na,alice,1\n\nb,bob,2,"x, y"\nc,carol,,x\n')
    assert users[tokenfile.digest("a")] == UserInfo(username="alice", uid="1")
    assert users[tokenfile.digest("b")].groups == ("x", "y")
    assert users[tokenfile.digest("c")].groups == ("x",)


@pytest.mark.parametrize("line", ["secrettoken,alice", ",alice,1", "secrettoken,,1", 'x,y,1\nsecrettoken,"a'])
def test_a_wrong_line_is_named_without_its_token(line):
    with pytest.raises(ValueError, match=r"line [12]") as refused:
        tokenfile.parse(line, "users.csv")
    assert "secrettoken" not in str(refused.value)


def test_a_token_that_is_there_twice_is_refused():
    with pytest.raises(ValueError, match="line 2: this token is there twice"):
        tokenfile.parse("a,alice,1\na,bob,2\n")
