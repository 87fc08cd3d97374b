"""RBAC rules on values."""

import pytest

from sympozium.localkube.access.rules import allows, compile_rule, text, to_object, uncovered
from sympozium.localkube.types import Attributes, UserInfo

USER = UserInfo(username="u")


def rule(verbs="get", groups="", resources="", names="", paths=""):
    parts = {"verbs": verbs, "resources": resources, "resourceNames": names, "nonResourceURLs": paths}
    made = {key: value.split() for key, value in parts.items()}
    return compile_rule(made | {"apiGroups": ["" if g == "core" else g for g in (groups or "core").split()]})


def ask(verb="get", resource="pods", **rest):
    return Attributes(user=USER, verb=verb, resource=resource, **rest)


@pytest.mark.parametrize(
    ("given", "asked", "expected"),
    [
        (rule("get", resources="pods"), ask(), True),
        (rule("get", resources="pods"), ask("list"), False),
        (rule("*", resources="pods"), ask("deletecollection"), True),
        (rule("get", resources="*"), ask(resource="secrets"), True),
        (rule("get", "apps", "pods"), ask(), False),
        (rule("get", "*", "pods"), ask(group="metrics.k8s.io"), True),
        # Subresources are resources of their own.
        (rule("get", resources="pods"), ask(subresource="log"), False),
        (rule("get", resources="pods/log"), ask(subresource="log"), True),
        (rule("get", resources="pods/log"), ask(), False),
        (rule("get", resources="*/log"), ask(subresource="log"), True),
        (rule("get", resources="pods/*"), ask(subresource="log"), False),
        (rule("get", resources="*"), ask(subresource="log"), True),
        # resourceNames
        (rule("get", resources="pods", names="a b"), ask(name="b"), True),
        (rule("get", resources="pods", names="a"), ask(name="c"), False),
        (rule("create", resources="pods", names="a"), ask("create"), False),
        (rule("list", resources="pods", names="a"), ask("list"), False),
        (rule("list", resources="pods", names="a"), ask("list", field_selector="metadata.name=a"), True),
        (
            rule("watch", resources="pods", names="a"),
            ask("watch", field_selector="metadata.name==a,x=y"),
            True,
        ),
        (rule("list", resources="pods", names="a"), ask("list", field_selector="metadata.name!=a"), False),
        # Paths
        (rule("get", paths="/healthz"), ask(resource="", path="/healthz"), True),
        (rule("get", paths="/healthz"), ask(resource="", path="/healthz/x"), False),
        (rule("get", paths="/api/*"), ask(resource="", path="/api/v1"), True),
        (rule("get", paths="*"), ask(resource="", path="/metrics"), True),
        (rule("get", paths="*"), ask(), False),
        (rule("get", resources="*"), ask(resource="", path="/metrics"), False),
    ],
)
def test_a_rule_allows_what_it_names_and_nothing_else(given, asked, expected):
    assert allows(given, asked) is expected


@pytest.mark.parametrize(
    ("held", "wanted", "missing"),
    [
        ([rule("get list", resources="pods secrets")], rule("get", resources="pods"), []),
        ([rule("get", resources="pods")], rule("get list", resources="pods"), [{"verbs": ["list"], "apiGroups": [""], "resources": ["pods"]}]),
        # Each part may be held by another rule.
        ([rule("get", resources="pods"), rule("list", resources="pods")], rule("get list", resources="pods"), []),
        ([rule("*", "*", "*")], rule("get", "x.dev", "things/status"), []),
        ([rule("get", resources="pods")], rule("*", resources="pods"), [{"verbs": ["*"], "apiGroups": [""], "resources": ["pods"]}]),
        ([rule("get", resources="*/log")], rule("get", resources="pods/log"), []),
        # A rule for names does not cover one for all names, the other way round it does.
        ([rule("get", resources="pods", names="a")], rule("get", resources="pods"), [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]),
        ([rule("get", resources="pods")], rule("get", resources="pods", names="a b"), []),
        ([rule("get", resources="pods", names="a")], rule("get", resources="pods", names="a b"), [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"], "resourceNames": ["b"]}]),
        ([rule("get", paths="/api/*")], rule("get", paths="/api/v1 /metrics"), [{"verbs": ["get"], "nonResourceURLs": ["/metrics"]}]),
        ([rule("get", paths="/api/*")], rule("get", paths="/*"), [{"verbs": ["get"], "nonResourceURLs": ["/*"]}]),
        ([rule("get", paths="/api/*")], rule("get", paths="/api/v1/*"), []),
        ([], rule("get", paths="*"), [{"verbs": ["get"], "nonResourceURLs": ["*"]}]),
    ],
)  # fmt: skip
def test_what_is_not_held_is_named_part_by_part(held, wanted, missing):
    assert [to_object(part) for part in uncovered(held, [wanted])] == missing


def test_the_sentence_lists_rules_as_kubernetes_does():
    parts = uncovered([], [rule("get list", "apps", "deployments", names="a")])
    assert (
        text(parts)
        == '{APIGroups:["apps"], Resources:["deployments"], ResourceNames:["a"], Verbs:["get" "list"]}'
    )
