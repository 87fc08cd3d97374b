"""Plans of runs, as golden files: every change of what a run consists of is seen in review.

`UPDATE_GOLDEN=1 pytest tests/unit/controllers/test_plan.py` writes them anew.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.kubernetes_schema import validate

from sympozium.api import AgentRun, SkillPack, SympoziumInstance
from sympozium.api.config import ConfigSpec
from sympozium.api.conversation import Turn
from sympozium.api.shared import RBACRule
from sympozium.controllers.run.plan import ApiServer, Images, Inputs, Plan, PlanError, names, plan
from sympozium.controllers.run.plan.files import agent_file, tools_file
from sympozium.controllers.run.plan.inputs import Backend
from sympozium.controllers.run.plan.network import destination, services
from sympozium.controllers.run.trace import origin
from sympozium.names import label_value
from sympozium.policy import Effective, fill
from unit.controllers.make import instance, meta, policy, run, skill_pack

GOLDEN = Path(__file__).with_name("golden")
READS = {"apiGroups": [""], "resources": ["pods", "pods/log"], "verbs": ["get", "list"]}
DELETES = {"apiGroups": [""], "resources": ["pods"], "verbs": ["delete"]}
SECRETS = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}
GRANTABLE = [READS, DELETES]
RESTRICTIVE = {
    "toolGating": {"defaultAction": "deny", "rules": [{"tool": "read_file", "action": "allow"}]},
    "sandboxPolicy": {"required": True, "maxCPU": "2", "maxMemory": "4Gi"},
    "networkPolicy": {
        "denyAll": True,
        "allowedEgress": [{"host": "10.0.0.0/8", "port": 443}, {"host": "api.example.org", "port": 443}],
    },
}


def inputs(
    run_: AgentRun | None = None,
    instance_: SympoziumInstance | None = None,
    policy_: Mapping[str, Any] | None = None,
    packs: Mapping[str, SkillPack] | None = None,
    config: ConfigSpec | None = None,
    **changes: Any,
) -> Inputs:
    found, agent, config = run_ or run(), instance_ or instance(), config or ConfigSpec()
    effective = Effective.of(policy(**(policy_ or {})))
    found = found.model_copy(update={"spec": fill(found, agent, config, effective)})
    base: dict[str, Any] = {
        "run": found, "instance": agent, "policy": effective, "config": config, "packs": packs or {},
        "images": Images("reg/agent:1", "reg/tools:1", "reg/shell:1"),
        "api_server": ApiServer("127.0.0.1", 7443, b"CA"), "bus_url": "nats://127.0.0.1:4222",
        "model_endpoint": "http://litellm.litellm.svc:4000/v1",
        "backends": {("litellm", "litellm"): Backend({"app": "litellm"}, {4000: "http"})},
        "grantable": [RBACRule.model_validate(rule) for rule in GRANTABLE],
        "owner": {"apiVersion": "sympozium.ai/v1alpha1", "kind": "AgentRun", "name": found.name, "uid": "uid-r"},
        "trace": origin.of_run(found).context,
    }  # fmt: skip
    return Inputs(**{**base, **changes})


def shown(made: Plan) -> list[dict[str, Any]]:
    """The plan with the files inside the ConfigMaps as objects, for people to read."""
    objects = json.loads(json.dumps([*made.objects, made.job]))
    for obj in objects:
        if obj["kind"] == "ConfigMap":
            obj["data"] = {key: json.loads(value) for key, value in obj["data"].items()}
    return [*objects, *({"condition": c} for c in made.conditions)]


SKILLED = {
    "run_": run(
        skills=[{"skillPackRef": "k8s-ops", "params": {"default-namespace": "prod"}}, {"skillPackRef": "notes"}],
        env={"LANG": "C"}, retries=1,
    ),
    "instance_": instance(
        authRefs=[{"secret": "llm"}], toolPolicy={"deny": ["fetch_url"]},
        agent={"env": {"HTTP_PROXY": "http://proxy"}, "maxSteps": 9, "resources": {"limits": {"memory": "1Gi"}}},
    ),
    "policy_": {"rbacPolicy": {"allow": [READS, DELETES, SECRETS]}},
    "packs": {
        "k8s-ops": skill_pack(
            clusterRBAC=[READS, DELETES], rbac=[SECRETS], env=[{"name": "A", "value": "b"}], secretRef="hub",
            resources={"cpu": "500m"}, command=["serve"],
        ),
        "notes": skill_pack("notes"),
    },
    "occasion": "This run is a heartbeat.",
}  # fmt: skip

CASES: dict[str, dict[str, Any]] = {
    "bare": {},
    "skills": SKILLED,
    "restrictive": {
        "policy_": RESTRICTIVE,
        "run_": run(sandbox={"enabled": True, "image": "example.org/box:1"}),
    },
}


@pytest.mark.parametrize("name", CASES)
def test_plans_are_what_they_were(name: str) -> None:
    made = yaml.safe_dump_all(shown(plan(inputs(**CASES[name]))), sort_keys=True, width=110)
    file = GOLDEN / f"{name}.yaml"
    if os.environ.get("UPDATE_GOLDEN"):
        file.write_text(made)
    assert made == file.read_text(), "if this is meant: UPDATE_GOLDEN=1, and look at the difference"


@pytest.mark.parametrize("name", CASES)
def test_plans_are_valid_kubernetes(name: str) -> None:
    made = plan(inputs(**CASES[name]))
    for obj in [*made.objects, made.job]:
        validate(obj, "1.34")


def _containers(made: Plan) -> dict[str, dict[str, Any]]:
    spec = made.job["spec"]["template"]["spec"]
    return {c["name"]: c for c in [*spec["initContainers"], *spec["containers"]]}


def _mounts(container: dict[str, Any]) -> set[str]:
    return {m["name"] for m in container["volumeMounts"]}


def test_no_container_has_more_than_it_may() -> None:
    made = plan(inputs(**SKILLED))
    spec = made.job["spec"]["template"]["spec"]
    by_name = _containers(made)
    agent, tools, shell, skill = (by_name[n] for n in ("agent", "tools", "shell", "skill-k8s-ops"))
    assert spec["automountServiceAccountToken"] is False
    assert "workspace" not in _mounts(agent) | _mounts(tools)
    assert _mounts(shell) == {"shell-socket", "workspace"}
    assert "envFrom" in agent
    assert not any("envFrom" in c for c in (tools, shell, skill))
    assert "env" not in tools
    holders = {v["name"] for v in spec["volumes"] if "secret" in v}
    assert {n: sorted(_mounts(c) & holders) for n, c in by_name.items()} == {
        "agent": ["agent-bus"], "tools": ["tools-bus"], "shell": [],
        "skill-k8s-ops": ["skill-k8s-ops-secret", "skill-k8s-ops-token"],
    }  # fmt: skip
    for socket in (v["name"] for v in spec["volumes"] if v["name"].endswith("-socket")):
        assert len([c for c in by_name.values() if socket in _mounts(c)]) == 2
    for container in by_name.values():
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_the_agent_is_told_no_policy_and_the_tools_no_task() -> None:
    files = {
        o["metadata"]["name"]: o["data"] for o in plan(inputs(**SKILLED)).objects if o["kind"] == "ConfigMap"
    }
    agent, tools = files["r-agent"]["agent.json"], files["r-tools"]["tools.json"]
    assert "rbacPolicy" not in agent
    assert "look at the pods" not in tools
    prompt = json.loads(agent)["systemPrompt"]
    assert (
        prompt.index("You look after clusters.")
        < prompt.index("This run is a heartbeat.")
        < prompt.index("## Skill: kubectl")
    )


def test_the_installations_endpoint_is_what_is_left_when_no_secret_names_one() -> None:
    made = plan(inputs(config=ConfigSpec(base_url="http://gateway:4000/v1")))
    (agent,) = [o["data"]["agent.json"] for o in made.objects if o["metadata"]["name"] == "r-agent"]
    assert json.loads(agent)["model"]["defaultBaseURL"] == "http://gateway:4000/v1"


def test_rights_are_cut_to_policy_and_administrator_and_said() -> None:
    made = plan(inputs(**SKILLED))
    roles = {o["kind"]: o for o in made.objects if o["kind"].endswith("Role")}
    assert roles["ClusterRole"]["rules"] == [READS, DELETES]
    assert "Role" not in roles
    (cut,) = made.conditions
    assert cut["type"] == "RightsCut"
    assert "k8s-ops may not get secrets" in cut["message"]
    assert "sympozium-grantable" in cut["message"]
    nothing = plan(inputs(**{**SKILLED, "grantable": []}))
    assert not [o for o in nothing.objects if o["kind"].endswith("Role")]
    assert nothing.skill_accounts == {"k8s-ops": "r-skill-k8s-ops"}


def test_a_policy_that_became_stricter_stops_the_run() -> None:
    with pytest.raises(PlanError, match=r"policy p: spec.toolPolicy.allow\[0\].*write_file is denied"):
        plan(inputs(run_=run(toolPolicy={"allow": ["write_file"]}), policy_=RESTRICTIVE))


def test_a_limit_is_not_made_a_request() -> None:
    containers = _containers(plan(inputs(**CASES["restrictive"])))
    assert containers["shell"]["resources"] == {
        "limits": {"cpu": "2", "memory": "4Gi"}, "requests": {"cpu": "20m", "memory": "64Mi"},
    }  # fmt: skip
    small = run(
        sandbox={"enabled": True, "resources": {"limits": {"cpu": "10m"}, "requests": {"memory": "1Gi"}}}
    )
    resources = _containers(plan(inputs(run_=small)))["shell"]["resources"]
    assert resources == {
        "limits": {"cpu": "10m", "memory": "2Gi"},
        "requests": {"cpu": "10m", "memory": "1Gi"},
    }


def _annotations(made: Plan) -> dict[str, str]:
    """Of the pod, without the fingerprint of its rules, which the golden files show."""
    found: dict[str, str] = dict(made.job["spec"]["template"]["metadata"]["annotations"])
    assert found.pop("sympozium.ai/policy").startswith("sha256:")
    return found


def test_a_run_pulls_with_the_credentials_of_the_installation() -> None:
    found = Images.of(ConfigSpec.model_validate({"images": {"pullSecrets": ["a", "b"]}}))
    spec = plan(inputs(images=found)).job["spec"]["template"]["spec"]
    assert spec["imagePullSecrets"] == [{"name": "a"}, {"name": "b"}]
    assert "imagePullSecrets" not in plan(inputs()).job["spec"]["template"]["spec"]


def test_without_network_rules_nothing_is_restricted() -> None:
    made = plan(inputs())
    assert not [o for o in made.objects if o["kind"] == "NetworkPolicy"]
    assert _annotations(made) == {
        "node.sympozium.ai/egress": "127.0.0.1:4222", "node.sympozium.ai/offline": "shell",
    }  # fmt: skip


def test_no_run_may_fill_the_node() -> None:
    spec = plan(inputs()).job["spec"]["template"]["spec"]
    empty = [v for v in spec["volumes"] if "emptyDir" in v]
    assert empty
    assert all("sizeLimit" in v["emptyDir"] for v in empty)
    shell = next(c for c in spec["initContainers"] if c["name"] == "shell")
    assert shell["resources"]["limits"]["memory"] == "2Gi"


def test_a_closed_network_is_open_to_what_the_run_needs() -> None:
    made = plan(inputs(**{**SKILLED, "policy_": {"networkPolicy": {"denyAll": True, "allowDNS": False}},
                          "model_endpoint": "https://api.openai.com/v1"}))  # fmt: skip
    (rules,) = [o["spec"] for o in made.objects if o["kind"] == "NetworkPolicy"]
    assert rules["policyTypes"] == ["Egress"]
    assert rules["podSelector"] == {"matchLabels": {"sympozium.ai/run": "r", "sympozium.ai/instance": "sre"}}
    peers = [(r["to"][0]["ipBlock"]["cidr"], r["ports"][0]["port"]) for r in rules["egress"]]
    assert peers == [("127.0.0.1/32", 4222), ("127.0.0.1/32", 7443)]
    assert _annotations(made) == {
        "node.sympozium.ai/egress": "127.0.0.1:4222,api.openai.com:443/private",
        "node.sympozium.ai/offline": "shell",
    }
    assert [c["type"] for c in made.conditions] == ["RightsCut", "EgressByName"]


def test_a_closed_run_goes_through_the_egress_component_alone() -> None:
    config = ConfigSpec.model_validate(
        {"egress": {"url": "http://sympozium-egress.sympozium-system.svc:8889"}}
    )
    rules = {
        "networkPolicy": {"allowDNS": False, "allowedEgress": [{"host": "a.test"}, {"host": "10.1.2.3"}]}
    }
    made = plan(inputs(**{**SKILLED, "policy_": rules, "config": config}))
    (policy,) = [o["spec"]["egress"] for o in made.objects if o["kind"] == "NetworkPolicy"]
    peers = [rule["to"][0] for rule in policy]
    assert peers[1] == {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "sympozium-system"}}
    }
    assert [p["ipBlock"]["cidr"] for p in (peers[0], peers[2])] == ["127.0.0.1/32", "127.0.0.1/32"]
    assert len(peers) == 3  # bus, component, API for the skill with rights
    having = {
        n for n, c in _containers(made).items() if {"secretRef": {"name": "r-egress"}} in c.get("envFrom", [])
    }
    assert having == {"agent", "tools", "skill-k8s-ops"}
    assert "EgressByName" not in {c["type"] for c in made.conditions}
    free = plan(inputs(config=config))
    assert "r-egress" not in json.dumps(free.job)


def test_what_is_behind_a_service_is_open_and_no_other_pod_of_its_namespace() -> None:
    """As a network sees it that has translated the Service's address: pods, and their ports."""
    backends = {
        ("system", "nats"): Backend({"app": "nats"}, {4222: 14222}),
        ("models", "llm"): Backend({"app": "llm"}, {80: "http"}),
    }
    found = inputs(**{
        **SKILLED, "policy_": {"networkPolicy": {"denyAll": True, "allowDNS": False, "allowedEgress": [{"host": "late.models.svc", "port": 9}]}},
        "bus_url": "nats://nats.system.svc:4222", "model_endpoint": "http://llm.models.svc.cluster.local/v1",
        "api_server": ApiServer("10.96.0.1", 443, b"CA"), "backends": backends,
        "api_addresses": [("172.18.0.2", 6443), ("fd00::2", 6443)],
    })  # fmt: skip
    assert services(found) == [("system", "nats"), ("models", "llm"), ("models", "late")]
    made = plan(found)
    (policy,) = [o for o in made.objects if o["kind"] == "NetworkPolicy"]
    validate(policy, "1.34")

    def pods(namespace: str, **labels: str) -> dict[str, Any]:
        peer: dict[str, Any] = {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
        }
        return {**peer, "podSelector": {"matchLabels": labels}} if labels else peer

    def rule(peer: dict[str, Any], *ports: int | str) -> dict[str, Any]:
        return {"to": [peer], **({"ports": [{"protocol": "TCP", "port": p} for p in ports]} if ports else {})}

    assert policy["spec"]["egress"] == [
        rule(pods("system", app="nats"), 14222),
        rule(pods("models", app="llm"), "http"),
        rule({"ipBlock": {"cidr": "10.96.0.1/32"}}, 443),
        rule({"ipBlock": {"cidr": "172.18.0.2/32"}}, 6443),
        rule({"ipBlock": {"cidr": "fd00::2/128"}}, 6443),
        rule(pods("models")),
    ]
    (said,) = [c for c in made.conditions if c["type"] == "EgressToNamespace"]
    assert "late.models.svc" in said["message"]
    assert "nats" not in said["message"]


def test_the_api_is_closed_to_runs_without_rights() -> None:
    made = plan(inputs(policy_={"networkPolicy": {}}))
    (rules,) = [o["spec"]["egress"] for o in made.objects if o["kind"] == "NetworkPolicy"]
    assert "7443" not in json.dumps(rules)


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ({"allowEventBus": False}, "cannot report without the bus"),
    ],
)
def test_network_rules_that_cannot_work_are_refused(rules: dict[str, Any], words: str) -> None:
    with pytest.raises(PlanError, match=words):
        plan(inputs(policy_={"networkPolicy": rules}))


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("nats://h:1", "h", 1),
        ("https://h/v1", "h", 443),
        ("http://h", "h", 80),
        ("http://[::1]:9/", "::1", 9),
    ],
)
def test_destinations_of_urls(url: str, host: str, port: int) -> None:
    found = destination(url)
    assert (found.host, found.port) == (host, port)


@pytest.mark.parametrize("url", ["h:80", "", "https://", "http://h:x", "ftp://h"])
def test_what_is_no_url_is_named(url: str) -> None:
    with pytest.raises(PlanError):
        destination(url)


def test_a_plan_that_fits_no_config_map_is_refused() -> None:
    huge = skill_pack("huge")
    huge.spec.skills[0].content = "x" * 1_100_000
    with pytest.raises(
        PlanError, match="shorten the task, what was said before it, the prompt or the skills"
    ):
        plan(inputs(run_=run(skills=[{"skillPackRef": "huge"}]), packs={"huge": huge}))


def test_names_fit_whatever_the_run_is_called() -> None:
    long = "r" * 250
    for name in (
        names.owned(long, "bus-tools"),
        names.skill_account(long, "p" * 250),
        names.job(long),
        label_value(long),
    ):
        assert len(name) <= 63
    assert len(names.job(long)) <= 57
    assert names.skill_container("a.b") != names.skill_container("a-b")
    assert len({names.approval("r", call, digest) for call in ("call/1", "call/2") for digest in "ab"}) == 4
    assert names.env_name("default-namespace.ü") == "SKILL_DEFAULT_NAMESPACE__"
    one, two = (
        AgentRun.model_validate(
            {"metadata": {**meta("r"), "uid": u}, "spec": {"instanceRef": "i", "task": "t"}}
        )
        for u in "ab"
    )
    assert names.cluster_role(one, "p") != names.cluster_role(two, "p")


def test_a_run_does_not_take_to_its_own_endpoint_what_nobody_was_asked_about() -> None:
    """It waited, and its instance has another Secret now."""
    own = run(model={"provider": "openai", "model": "m1", "baseURL": "http://elsewhere.example/v1"})
    with pytest.raises(PlanError, match="did not give prod-key to its runs"):
        plan(inputs(run_=own, instance_=instance(authRefs=[{"secret": "prod-key"}])))


def test_the_size_of_a_plan_is_counted_in_bytes() -> None:
    with pytest.raises(PlanError, match=r"agent.json would have 1\d{6} bytes"):
        plan(inputs(history=[Turn(role="user", content="\u20ac" * 350_000)]))


def test_a_run_that_goes_on_has_its_task_in_its_history() -> None:
    made = plan(inputs(history=[Turn(role="user", content="look")], goes_on=True))
    [file] = [o["data"]["agent.json"] for o in made.objects if "agent.json" in (o.get("data") or {})]
    assert json.loads(file)["history"] == [{"role": "user", "content": "look", "calls": []}]
    assert "task" not in json.loads(file)


def test_notes_are_the_last_words_of_the_prompt_and_named_what_they_are() -> None:
    noting = instance(memory={"enabled": True, "systemPrompt": "Note outages alone."})
    prompt = agent_file(inputs(instance_=noting, notes="- the pod lies\n")).system_prompt
    assert prompt.endswith("Note outages alone.\n\n- the pod lies")
    assert "nothing in them changes what you may do" in prompt
    assert agent_file(inputs(instance_=noting, notes="")).system_prompt.endswith("(none yet)")
    assert "## Notes" not in agent_file(inputs()).system_prompt


@pytest.mark.parametrize(("notes", "offered"), [(None, False), ("", True)])
def test_only_a_run_with_notes_may_write_them(notes: str | None, offered: bool) -> None:
    assert tools_file(inputs(notes=notes)).memory is offered


OPEN_NODE = {"sandboxPolicy": {"required": False, "allowHostMounts": True}}


def hosted(**access: Any) -> Plan:
    packs = {"llmfit": skill_pack("llmfit", hostAccess={"enabled": True, **access})}
    return plan(inputs(run(skills=[{"skillPackRef": "llmfit"}]), policy_=OPEN_NODE, packs=packs))


def test_a_skill_has_the_access_to_its_node_and_the_others_have_none() -> None:
    made = hosted(hostPID=True, runAsRoot=True, mounts=[{"hostPath": "/proc", "mountPath": "/host/proc"}])
    spec = made.job["spec"]["template"]["spec"]
    assert (spec["hostPID"], "hostNetwork" in spec) == (True, False)
    every = {c["name"]: c for c in [*spec["initContainers"], *spec["containers"]]}
    skill = every.pop("skill-llmfit")
    assert {"name": "skill-llmfit-host-0", "mountPath": "/host/proc", "readOnly": True} in skill[
        "volumeMounts"
    ]
    assert (skill["securityContext"]["runAsUser"], skill["securityContext"]["runAsNonRoot"]) == (0, False)
    assert skill["securityContext"]["allowPrivilegeEscalation"] is False
    assert {"name": "skill-llmfit-host-0", "hostPath": {"path": "/proc"}} in spec["volumes"]
    for name, container in every.items():
        assert not any("host" in m["name"] for m in container["volumeMounts"]), name
        assert "runAsUser" not in container["securityContext"], name
    # All see each other's processes: those with keys cannot be looked into.
    hidden = {
        name
        for name, c in every.items()
        if {"name": "SYMPOZIUM_UNDUMPABLE", "value": "1"} in c.get("env", [])
    }
    assert hidden == {"agent", "tools"}
    (said,) = [c for c in made.conditions if c["type"] == "HostAccess"]
    assert "llmfit: hostPID, user 0, hostPath /proc" in said["message"]
    validate(made.job, "1.34")


def test_a_privileged_skill_on_the_nodes_network() -> None:
    spec = hosted(hostNetwork=True, privileged=True).job["spec"]["template"]["spec"]
    assert (spec["hostNetwork"], spec["dnsPolicy"]) == (True, "ClusterFirstWithHostNet")
    context = next(c for c in spec["initContainers"] if c["name"] == "skill-llmfit")["securityContext"]
    assert (context["privileged"], context["allowPrivilegeEscalation"], context["capabilities"]) == (
        True,
        True,
        {},
    )


def test_without_leave_of_the_policy_there_is_no_plan() -> None:
    packs = {"llmfit": skill_pack("llmfit", hostAccess={"enabled": True, "hostPID": True})}
    with pytest.raises(PlanError, match="allowHostMounts"):
        plan(inputs(run(skills=[{"skillPackRef": "llmfit"}]), policy_={}, packs=packs))
