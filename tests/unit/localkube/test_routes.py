"""The URL grammar and what the authorizer is asked."""

import pytest

from sympozium.localkube.routes import Target, attributes, parse
from sympozium.localkube.types import UserInfo
from sympozium.localkube.wire import Request

USER = UserInfo(username="u")


def target(method, path, query=""):
    return parse(Request(method=method, path=path, query_string=query))


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/api/v1/pods", Target(group="", version="v1", plural="pods", verb="list")),
        ("GET", "/api/v1/pods/", Target(group="", version="v1", plural="pods", verb="list")),
        ("GET", "/api/v1/namespaces", Target(group="", version="v1", plural="namespaces", verb="list")),
        ("GET", "/api/v1/namespaces/n", Target(group="", version="v1", plural="namespaces", name="n", verb="get")),
        (
            "PUT", "/api/v1/namespaces/n/finalize",
            Target(group="", version="v1", plural="namespaces", name="n", subresource="finalize", verb="update"),
        ),
        ("POST", "/api/v1/namespaces/n/pods", Target(group="", version="v1", plural="pods", namespace="n", verb="create")),
        (
            "GET", "/api/v1/namespaces/n/pods/p/log",
            Target(group="", version="v1", plural="pods", namespace="n", name="p", subresource="log", verb="get"),
        ),
        (
            "PATCH", "/apis/g.io/v1/namespaces/n/things/t/status",
            Target(group="g.io", version="v1", plural="things", namespace="n", name="t", subresource="status", verb="patch"),
        ),
        ("DELETE", "/apis/g.io/v1/things/t", Target(group="g.io", version="v1", plural="things", name="t", verb="delete")),
        (
            "DELETE", "/apis/g.io/v1/namespaces/n/things",
            Target(group="g.io", version="v1", plural="things", namespace="n", verb="deletecollection"),
        ),
        (
            "GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode",
            Target(group="rbac.authorization.k8s.io", version="v1", plural="clusterroles", name="system:node", verb="get"),
        ),
        (
            "GET", "/api/v1/nodes/n/proxy/a/b",
            Target(group="", version="v1", plural="nodes", name="n", subresource="proxy", rest=("a", "b"), verb="get"),
        ),
    ],
)  # fmt: skip
def test_resource_paths(method, path, expected):
    assert target(method, path) == expected


@pytest.mark.parametrize(
    "path", ["/", "/api", "/api/v1", "/apis", "/apis/g", "/apis/g/v1", "/healthz", "/openapi/v3/api/v1"]
)
def test_other_paths(path):
    assert target("GET", path) is None


def test_watch_is_a_verb_of_collections():
    assert target("GET", "/api/v1/pods", "watch=1").verb == "watch"
    assert target("GET", "/api/v1/pods", "watch=true").verb == "watch"
    assert target("GET", "/api/v1/pods", "watch=false").verb == "list"
    assert target("GET", "/api/v1/namespaces/n/pods/p", "watch=1").verb == "get"


def asked(method, path, query=""):
    request = Request(method=method, path=path, query_string=query)
    return attributes(parse(request), request, USER)


def test_attributes_of_a_list_by_name_have_the_name():
    found = asked("GET", "/api/v1/namespaces/n/pods", "fieldSelector=metadata.name%3Dp")
    assert (found.verb, found.name, found.namespace) == ("list", "p", "n")
    assert asked("GET", "/api/v1/namespaces/n/pods").name == ""


def test_attributes_of_a_namespace_are_in_it():
    assert asked("GET", "/api/v1/namespaces/n").namespace == "n"
    assert asked("GET", "/version").path == "/version"
    assert asked("GET", "/version").resource == ""
