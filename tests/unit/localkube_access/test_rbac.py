"""The RBAC index: what holds, and that it follows each commit."""

import pytest

from sympozium.localkube.access.rbac import RBAC, RoleRef
from sympozium.localkube.access.union import Union
from sympozium.localkube.types import Attributes, UserInfo

PODS = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
SECRETS = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}


def ask(user, verb="get", resource="pods", namespace="ns", **rest):
    return Attributes(user=user, verb=verb, resource=resource, namespace=namespace, **rest)


def test_a_role_binding_holds_in_its_namespace_alone(objects, alice):
    objects.role("r", PODS, namespace="ns")
    objects.bind("r", "User/alice", namespace="ns")
    rbac = RBAC(objects)
    decision = rbac.authorize(ask(alice))
    assert decision.allowed
    assert decision.reason == 'RBAC: allowed by RoleBinding "r-binding/ns" of Role "r" to User "alice"'
    assert not rbac.authorize(ask(alice, namespace="other")).allowed
    assert not rbac.authorize(ask(alice, namespace="")).allowed
    assert not rbac.authorize(ask(alice, verb="list")).allowed


def test_a_cluster_role_bound_in_a_namespace_holds_there(objects, alice):
    objects.role("c", PODS)
    objects.bind("c", "Group/devs", namespace="ns", kind="ClusterRole")
    rbac = RBAC(objects)
    assert rbac.authorize(ask(alice)).reason.endswith('of ClusterRole "c" to Group "devs"')
    assert not rbac.authorize(ask(alice, namespace="other")).allowed


def test_a_cluster_binding_holds_everywhere(objects, alice):
    objects.role("c", PODS)
    objects.bind("c", "User/alice")
    rbac = RBAC(objects)
    assert rbac.authorize(ask(alice, namespace="any")).allowed
    assert rbac.authorize(ask(alice, namespace="")).allowed


def test_service_accounts_are_subjects_by_name_and_by_user(objects):
    bot = UserInfo(username="system:serviceaccount:ns:bot")
    objects.role("r", PODS, namespace="ns")
    objects.bind("r", "ServiceAccount/ns/bot", namespace="ns")
    rbac = RBAC(objects)
    assert rbac.authorize(ask(bot)).reason.endswith('to ServiceAccount "bot/ns"')
    other = UserInfo(username="system:serviceaccount:other:bot")
    assert not rbac.authorize(ask(other)).allowed


def test_a_binding_to_a_missing_role_gives_nothing_until_the_role_is_there(objects, alice):
    objects.bind("late", "User/alice", namespace="ns")
    rbac = RBAC(objects)
    assert not rbac.authorize(ask(alice)).allowed
    objects.role("late", PODS, namespace="ns")
    assert rbac.authorize(ask(alice)).allowed


def test_each_commit_holds_for_the_next_question(objects, alice):
    rbac = RBAC(objects)
    assert not rbac.authorize(ask(alice)).allowed
    objects.role("r", PODS, namespace="ns")
    objects.bind("r", "User/alice", namespace="ns")
    assert rbac.authorize(ask(alice)).allowed
    objects.role("r", SECRETS, namespace="ns")
    assert not rbac.authorize(ask(alice)).allowed
    assert rbac.authorize(ask(alice, resource="secrets")).allowed
    objects.remove("rbac.authorization.k8s.io", "rolebindings", "ns", "r-binding")
    assert not rbac.authorize(ask(alice, resource="secrets")).allowed


def test_aggregated_roles_are_put_together_through_others_and_without_end(objects, alice):
    objects.role("admin", aggregate={"to-admin": "true"})
    objects.role("edit", aggregate={"to-edit": "true"}, labels={"to-admin": "true"})
    objects.role("pods", PODS, labels={"to-edit": "true"})
    # A cycle: edit selects one that selects edit.
    objects.role("loop", aggregate={"to-admin": "true"}, labels={"to-edit": "true"})
    objects.bind("admin", "User/alice")
    rbac = RBAC(objects)
    assert rbac.authorize(ask(alice)).allowed
    objects.role("secrets", SECRETS, labels={"to-admin": "true"})
    assert rbac.authorize(ask(alice, resource="secrets")).allowed
    assert rbac.role_rules(RoleRef("", "nothing")) is None


def test_masters_need_no_role_and_reasons_are_joined(objects, alice):
    union = Union(RBAC(objects))
    root = UserInfo(username="root", groups=("system:masters",))
    assert union.authorize(ask(root)).allowed
    assert not union.authorize(ask(alice)).allowed


@pytest.mark.parametrize("verb", ["get", "list"])
def test_non_resource_paths_are_cluster_wide_alone(objects, alice, verb):
    objects.role("m", {"nonResourceURLs": ["/metrics"], "verbs": ["get"]})
    objects.bind("m", "User/alice", namespace="ns", kind="ClusterRole")
    rbac = RBAC(objects)
    question = Attributes(user=alice, verb=verb, path="/metrics")
    assert not rbac.authorize(question).allowed
    objects.bind("m", "User/alice")
    assert rbac.authorize(question).allowed is (verb == "get")
