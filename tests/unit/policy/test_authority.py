"""Authority only narrows: whatever policies there are, a run that another one starts may do nothing that this one may not."""

from hypothesis import given, strategies as st
from tests.unit.policy.make import instance, pack, policy, run

from sympozium import quantities
from sympozium.api import SympoziumPolicy
from sympozium.api.config import ConfigSpec
from sympozium.api.meta import SYSTEM_NAMESPACE
from sympozium.api.shared import Parent, RBACRule, ToolPolicy
from sympozium.policy import (
    Call,
    Effective,
    admit,
    gate,
    judge_pack,
    limits,
    network,
    offered,
    rbac,
    resolve,
    sandbox,
    tool_policies,
)  # fmt: skip

STRICT = {"allow": 0, "ask": 1, "deny": 2}
TOOLS = ["execute_command", "read_file", "spawn_agent", "kubectl_get"]
CALLS = [Call(tool, target, {"n": n}, {"depth": 0}) for tool in TOOLS for target in ("shell", "k8s") for n in (1, 5)]  # fmt: skip
HOSTS = [("a.example", []), ("b.example", []), ("x", ["10.1.2.3"]), ("x", ["10.200.0.1"]), ("x", ["::1"])]
RIGHTS = [
    RBACRule(api_groups=[group], resources=[resource], verbs=[verb])
    for group, resource in (("", "pods"), ("", "secrets"), ("apps", "deployments"), ("*", "*"))
    for verb in ("get", "delete", "*")
]

choice = st.sampled_from
names = choice(["*", "read_*", "*_get", "execute_command", "k*", "spawn_agent"])
rules = st.lists(
    st.fixed_dictionaries(
        {"tool": names, "action": choice(["allow", "ask", "deny"])},
        optional={"target": choice(["*", "shell", "k*"]), "when": choice(["args.n > 3", "args.absent", "true", "1 +"])},
    ),
    max_size=4,
)  # fmt: skip
egress = st.lists(
    st.fixed_dictionaries(
        {"host": choice(["a.example", "b.example", "10.0.0.0/8", "10.1.0.0/16", "::/0"])}, optional={"port": choice([80, 443])}
    ),
    max_size=4,
)  # fmt: skip
rights = st.lists(choice([rule.model_dump(by_alias=True) for rule in RIGHTS]), max_size=3)
box = {"maxCPU": choice(["1", "500m", "2"]), "maxMemory": choice(["1Gi", "2G"]),
       "seccompProfile": st.fixed_dictionaries({"type": choice(["Unconfined", "RuntimeDefault"])})}  # fmt: skip
on = st.booleans()
FIELDS = {
    "toolGating": st.fixed_dictionaries({"rules": rules, "defaultAction": choice(["allow", "ask", "deny"])}),
    "featureGates": st.dictionaries(choice(["file-access", "sub-agents"]), on),
    "networkPolicy": st.fixed_dictionaries({"denyAll": on, "allowDNS": on, "allowEventBus": on, "allowedEgress": egress}),
    "sandboxPolicy": st.fixed_dictionaries({"required": on, "allowHostMounts": on}, optional=box),
    "subagentPolicy": st.fixed_dictionaries({"maxDepth": st.integers(0, 4), "maxConcurrent": st.integers(0, 4)}),
    "modelPolicy": st.fixed_dictionaries(
        {"allowedModels": st.lists(choice(["a*", "b"]), max_size=2), "allowedProviders": st.lists(choice(["x", "y"]), max_size=2)}
    ),
    "imagePolicy": st.fixed_dictionaries(
        {"allowedRegistries": st.lists(choice(["ghcr.io", "ghcr.io/acme", "docker.io"]), max_size=2)}
    ),
    "rbacPolicy": st.fixed_dictionaries({"allow": rights, "deny": rights}),
    "approvals": st.fixed_dictionaries({"timeout": choice(["1m", "1h"])}),
}  # fmt: skip


def specs(field: str) -> st.SearchStrategy:
    """Policies that say something of one field, or nothing, and bind or only watch."""
    said = {field: FIELDS[field], "enforcement": choice(["Enforce", "Enforce", "Audit"])}
    return st.fixed_dictionaries({}, optional=said)


def _parent(keys: list) -> Parent:
    return Parent(run_name="r", session_key="s", spawn_depth=1, policies=keys)


@st.composite
def families(draw: st.DrawFn, *fields: str) -> tuple[Effective, Effective]:
    """(policy of a run, policy of a run that it starts): any policies, in any places, with or without a floor."""
    found: dict[tuple[str, str], SympoziumPolicy] = {}
    for name in ("a", "b", "c", "floor"):
        spec = {key: value for field in fields for key, value in draw(specs(field)).items()}
        made = policy(name, **spec)
        made.metadata.namespace = SYSTEM_NAMESPACE if name == "floor" else draw(choice(["ns", SYSTEM_NAMESPACE]))  # fmt: skip
        found[made.namespace, name] = made
    config = ConfigSpec(floor_policy_ref=draw(choice([None, "floor"])))
    grand, own, child = (instance(policyRef=draw(choice(["a", "b", "c"]))) for _ in range(3))
    above = _parent(resolve.handed_down(grand, config, found.get))
    of_run = resolve.effective(own, config, found.get, parent=above)
    beneath = _parent(resolve.handed_down(own, config, found.get, parent=above))
    return of_run, resolve.effective(child, config, found.get, parent=beneath)


Family = tuple[Effective, Effective]


@given(families("toolGating", "featureGates", "approvals"))
def test_no_call_is_judged_milder(family: Family) -> None:
    above, beneath = family
    for call in CALLS:
        assert STRICT[gate(call, beneath).action] >= STRICT[gate(call, above).action], call
        if offered(call.tool, [call.target], beneath):
            assert offered(call.tool, [call.target], above)
    assert beneath.approval_timeout <= above.approval_timeout


@given(families("networkPolicy"))
def test_no_destination_is_opened(family: Family) -> None:
    above, beneath = family
    narrow, wide = network.egress(beneath), network.egress(above)
    assert narrow.restricted >= wide.restricted
    if wide.restricted:
        assert narrow.dns <= wide.dns
        assert narrow.event_bus <= wide.event_bus
    for host, addresses in HOSTS:
        for port in (80, 443):
            if network.may_connect(beneath, host, port, addresses):
                assert network.may_connect(above, host, port, addresses), (host, port)


@given(families("rbacPolicy"))
def test_no_right_is_added(family: Family) -> None:
    def granted(held: Effective) -> set[tuple[str, str, str]]:
        rules = rbac.grant(RIGHTS, held).rules
        return {(g, r, v) for rule in rules for g in rule.api_groups for r in rule.resources for v in rule.verbs}  # fmt: skip

    above, beneath = family
    assert granted(beneath) <= granted(above)


@given(families("sandboxPolicy", "subagentPolicy"))
def test_no_limit_is_widened(family: Family) -> None:
    above, beneath = family
    assert sandbox.required(beneath) >= sandbox.required(above)
    for resource in ("cpu", "memory"):
        most, wide = sandbox.maximum(beneath, resource), sandbox.maximum(above, resource)
        if wide is not None:
            assert most is not None
            assert quantities.parse(most) <= quantities.parse(wide)
    if sandbox.seccomp(above) == "RuntimeDefault":
        assert sandbox.seccomp(beneath) == "RuntimeDefault"
    assert limits.depth(beneath, instance()).most <= limits.depth(above, instance()).most
    assert limits.concurrent(beneath, instance()).most <= limits.concurrent(above, instance()).most


@given(families("modelPolicy", "imagePolicy", "sandboxPolicy", "toolGating", "rbacPolicy"))
def test_nothing_is_admitted_that_was_refused(family: Family) -> None:
    above, beneath = family
    rights = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["delete"]}]
    skill = pack("s", hostAccess={"enabled": True}, rbac=rights)
    for model, image in (("a1", "ghcr.io/acme/x"), ("b", "ghcr.io/other"), ("c", "busybox")):
        asked = run(
            model={"model": model, "provider": "x"},
            sandbox={"enabled": False, "image": image},
            skills=[{"skillPackRef": "s"}],
            toolPolicy={"allow": TOOLS},
        )
        refused = _refused(admit(asked, instance(), above, {"s": skill}))
        assert refused <= _refused(admit(asked, instance(), beneath, {"s": skill}))
    assert _refused(judge_pack(skill, above)) <= _refused(judge_pack(skill, beneath))


def _refused(found: list) -> set[str]:
    """Fields: another layer may be the one that refuses."""
    return {violation.field for violation in found if not violation.audit}


tools = st.lists(names, max_size=2, unique=True)
narrowings = st.lists(st.fixed_dictionaries({"allow": tools, "deny": tools}), max_size=2)


@given(families("toolGating"), narrowings, narrowings)
def test_tool_policies_of_the_runs_above_go_on_narrowing(family: Family, above: list, own: list) -> None:
    _, beneath = family
    parent = {"runName": "r", "sessionKey": "s", "spawnDepth": 1, "toolPolicies": above}
    spec = {"toolPolicy": own[0]} if own else {}
    together = tool_policies(run(parent=parent, **spec), instance())
    for call in CALLS:
        before = gate(call, beneath, [ToolPolicy.model_validate(one) for one in above])
        assert STRICT[gate(call, beneath, together).action] >= STRICT[before.action]
