import pytest
from tests.unit.policy.make import effective, policy

from sympozium.api.shared import RBACRule
from sympozium.policy.rbac import Atom, grant, sensitive


def rule(groups: list[str], resources: list[str], verbs: list[str]) -> RBACRule:
    return RBACRule(api_groups=groups, resources=resources, verbs=verbs)


READ_PODS = rule([""], ["pods", "pods/log"], ["get", "list"])


def test_without_rules_only_reads_are_granted() -> None:
    asked = rule([""], ["pods", "secrets"], ["get", "delete"])
    found = grant([READ_PODS, asked], effective())
    assert found.rules == (READ_PODS, rule([""], ["pods"], ["get"]))
    assert {str(cut.atom) for cut in found.cut} == {"delete pods", "get secrets", "delete secrets"}


@pytest.mark.parametrize(
    "atom",
    [
        Atom("", "secrets", "get"), Atom("", "serviceaccounts/token", "create"), Atom("*", "pods", "get"),
        Atom("", "*", "get"), Atom("rbac.authorization.k8s.io", "roles", "get"), Atom("", "users", "impersonate"),
        Atom("sympozium.ai", "approvalrequests/status", "patch"), Atom("sympozium.ai", "agentruns", "*"),
        Atom("certificates.k8s.io", "certificatesigningrequests", "create"), Atom("", "*/token", "create"),
        Atom("", "pods/exec", "get"), Atom("", "pods/exec", "create"), Atom("", "pods/attach", "get"),
        Atom("", "pods/portforward", "get"), Atom("", "pods/proxy", "get"), Atom("", "services/proxy", "get"),
        Atom("", "nodes/proxy", "get"), Atom("", "nodes/log", "get"), Atom("", "pods/ephemeralcontainers", "patch"),
        Atom("", "users", "*"), Atom("", "groups", "*"), Atom("", "serviceaccounts", "*"),
    ],
)  # fmt: skip
def test_what_is_sensitive_is_not_covered_by_wildcards(atom: Atom) -> None:
    assert sensitive(atom)
    everything = effective(rbacPolicy={"allow": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]})
    asked = rule([atom.group], [atom.resource], [atom.verb])
    assert grant([asked], everything).rules == ()
    assert grant([asked], effective()).rules == ()


def test_what_is_sensitive_is_granted_where_a_policy_names_it() -> None:
    named = effective(rbacPolicy={"allow": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]})
    assert grant([rule([""], ["secrets"], ["get"])], named).cut == ()
    assert grant([rule([""], ["secrets"], ["list"])], named).rules == ()


def test_a_wildcard_that_includes_secrets_cannot_be_granted_at_all() -> None:
    asked = rule([""], ["*"], ["get"])
    exact = effective(rbacPolicy={"allow": [asked.to_json()]})
    assert grant([asked], exact).rules == ()
    assert "name what is needed" in str(grant([asked], exact).cut[0])


def test_wildcards_of_harmless_groups() -> None:
    asked = rule(["apps"], ["*"], ["get"])
    assert grant([asked], effective()).rules == (asked,)


def test_allow_is_the_whole_of_what_may_be_granted() -> None:
    rules = effective(rbacPolicy={"allow": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["delete"]}]})
    found = grant([rule([""], ["pods"], ["get", "delete"])], rules)
    assert found.rules == (rule([""], ["pods"], ["delete"]),)
    assert "rbacPolicy.allow" in found.cut[0].reason


def test_deny_wins_over_allow_and_meets_wildcards() -> None:
    rules = effective(
        rbacPolicy={
            "allow": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}],
            "deny": [{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["*"]}],
        }
    )
    found = grant(
        [rule(["apps"], ["deployments", "replicasets"], ["get"]), rule(["apps"], ["*"], ["list"])], rules
    )
    assert found.rules == (rule(["apps"], ["replicasets"], ["get"]),)
    assert all("rbacPolicy.deny" in cut.reason for cut in found.cut)


def test_every_layer_must_grant() -> None:
    allow = {"allow": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "delete"]}]}
    assert grant([rule([""], ["pods"], ["delete"])], effective(rbacPolicy=allow)).cut == ()
    found = grant(
        [rule([""], ["pods"], ["get", "delete"])], effective(rbacPolicy=allow, floor=policy("floor"))
    )
    assert found.rules == (rule([""], ["pods"], ["get"]),)
    assert "policy floor" in found.cut[0].reason


def test_what_is_kept_keeps_its_shape() -> None:
    asked = rule(["", "apps"], ["pods", "secrets"], ["get", "watch"])
    assert grant([asked], effective()).rules == (
        rule([""], ["pods"], ["get", "watch"]),
        rule(["apps"], ["pods", "secrets"], ["get", "watch"]),
    )
