import pytest
from pydantic import ValidationError

from sympozium.api import API_VERSION, KINDS, AgentRun, SympoziumInstance, SympoziumPolicy, parse
from sympozium.api.base import json_name
from sympozium.api.shared import ResourceRequirements

RUN = {
    "apiVersion": API_VERSION,
    "kind": "AgentRun",
    "metadata": {"name": "r", "managedFields": [{"manager": "kubectl"}], "labels": {"a": "b"}},
    "spec": {"instanceRef": "i", "task": "look", "model": {"baseURL": "http://x", "model": "m"}},
}


def test_what_was_read_is_written_back_unchanged() -> None:
    assert parse(RUN).to_json() == RUN


def test_unknown_fields_are_errors_with_their_path() -> None:
    with pytest.raises(ValidationError) as caught:
        parse({**RUN, "spec": {**RUN["spec"], "colour": "red"}})
    assert caught.value.errors()[0]["loc"] == ("spec", "colour")


@pytest.mark.parametrize(
    ("field", "json"),
    [("base_url", "baseURL"), ("max_cpu", "maxCPU"), ("allow_dns", "allowDNS"), ("cluster_rbac", "clusterRBAC"),
     ("host_pid", "hostPID"), ("max_size_kb", "maxSizeKB"), ("trace_id", "traceID"), ("agent_id", "agentId"),
     ("rbac_policy", "rbacPolicy"), ("instance_ref", "instanceRef"), ("min_cpu", "minCPU")],
)  # fmt: skip
def test_names_are_those_of_the_contract(field: str, json: str) -> None:
    assert json_name(field) == json


def test_a_quantity_may_be_a_number_and_is_kept_as_text() -> None:
    requirements = ResourceRequirements.model_validate({"limits": {"cpu": 2, "memory": "1Gi"}})
    assert requirements.limits == {"cpu": "2", "memory": "1Gi"}
    with pytest.raises(ValidationError, match="not a quantity"):
        ResourceRequirements.model_validate({"limits": {"cpu": "lots"}})


def test_durations_are_checked() -> None:
    with pytest.raises(ValidationError, match="not a duration"):
        parse({**RUN, "spec": {**RUN["spec"], "timeout": "soon"}})


def test_defaults_are_those_of_the_contract() -> None:
    run = AgentRun.model_validate(RUN)
    assert (run.spec.cleanup, run.spec.mode, run.spec.retries) == ("delete", "task", 0)
    policy = SympoziumPolicy.model_validate(
        {"spec": {"networkPolicy": {}, "approvals": {}, "toolGating": {}}}
    )
    assert policy.spec.network_policy
    assert policy.spec.network_policy.deny_all
    assert policy.spec.approvals
    assert policy.spec.approvals.timeout == "1h"
    assert policy.spec.tool_gating
    assert policy.spec.tool_gating.default_action == "allow"
    instance = SympoziumInstance.model_validate({"spec": {"agents": {"default": {"model": "m"}}}})
    assert instance.spec.agents.default.max_steps == 50


def test_changing_a_model_is_checked() -> None:
    spec = AgentRun.model_validate(RUN).spec
    assert spec.replaced(task="other").task == "other"
    with pytest.raises(ValidationError):
        spec.replaced(task="")


def test_every_kind_has_its_own_names() -> None:
    assert len({kind.plural for kind in KINDS}) == len(KINDS) == 9
    assert {kind.short_name for kind in KINDS} == {
        "sinst", "arun", "spol", "skill", "ssched", "strig", "ppack", "appr", "sconf"
    }  # fmt: skip
    assert all(kind.categories == ("sympozium",) for kind in KINDS)


def test_kinds_that_are_not_ours_are_not_parsed() -> None:
    with pytest.raises(KeyError):
        parse({"kind": "Pod"})
