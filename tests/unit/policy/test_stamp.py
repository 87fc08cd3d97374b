from typing import Any

import pytest

from sympozium.api import SympoziumInstance, SympoziumSchedule
from sympozium.api.config import ConfigSpec
from sympozium.policy.stamp import Stamped, instance_name, schedule_name, stamp
from unit.controllers.make import persona_pack


def config(**spec: Any) -> ConfigSpec:
    return ConfigSpec.model_validate(spec)


def persona(name: str = "sre", **more: Any) -> dict[str, Any]:
    return {"name": name, "systemPrompt": f"You are {name}.", "model": "m1", **more}


def stamped(*personas: dict[str, Any], config_: ConfigSpec | None = None, **spec: Any) -> Stamped:
    found = stamp(persona_pack(*personas, **spec), config_ or config())
    for obj in found.instances.values():
        SympoziumInstance.model_validate(obj)
    for obj in found.schedules.values():
        SympoziumSchedule.model_validate(obj)
    return found


def test_names_are_those_of_the_contract() -> None:
    assert instance_name("platform-team", "sre-agent") == "platform-team-sre-agent"
    assert schedule_name("platform-team", "sre-agent") == "platform-team-sre-agent-schedule"
    assert len(instance_name("p" * 60, "x")) <= 63


def test_a_persona_becomes_an_instance_and_a_schedule() -> None:
    found = stamped(persona(displayName="SRE", skills=["k8s-ops"], schedule={"interval": "1h", "task": "look"}),
                    skillParams={"k8s-ops": {"cluster": "prod"}}, policyRef="default-policy",
                    authRefs=[{"secret": "key"}])  # fmt: skip
    obj = found.instances["sre"]
    assert obj["metadata"]["name"] == "ops-sre"
    assert obj["metadata"]["labels"] == {
        "sympozium.ai/persona": "sre", "sympozium.ai/instance": "ops-sre", "sympozium.ai/pack": "ops",
    }  # fmt: skip
    assert obj["metadata"]["ownerReferences"][0]["uid"] == "uid-ops"
    assert obj["spec"] == {
        "agents": {"default": {"model": "m1"}}, "systemPrompt": "You are sre.", "displayName": "SRE",
        "skills": [{"skillPackRef": "k8s-ops", "params": {"cluster": "prod"}}],
        "policyRef": "default-policy", "authRefs": [{"secret": "key"}],
    }  # fmt: skip
    assert found.schedules["sre"]["spec"] == {
        "instanceRef": "ops-sre", "schedule": "@every 1h", "task": "look", "type": "heartbeat",
    }  # fmt: skip
    assert found.problems == {}


def test_cron_wins_over_interval_and_the_override_over_the_task() -> None:
    times = {"interval": "1h", "cron": "0 8 * * *", "task": "own", "type": "sweep"}
    spec = stamped(persona(schedule=times), taskOverride="other").schedules["sre"]["spec"]
    assert (spec["schedule"], spec["task"], spec["type"]) == ("0 8 * * *", "other", "sweep")


def test_persona_over_pack_over_installation() -> None:
    installation = config(model="cm", provider="cp", baseURL="http://c/v1", authRefs=[{"secret": "c"}])
    bare = {"name": "a", "systemPrompt": "x"}
    own = persona("b", provider="bp", baseURL="http://b/v1", policyRef="bpol")
    found = stamped(bare, own, config_=installation, model="pm", policyRef="ppol")
    first, second = found.instances["a"]["spec"], found.instances["b"]["spec"]
    assert first["agents"]["default"] == {"model": "pm", "provider": "cp"}
    assert second["agents"]["default"] == {"model": "m1", "provider": "bp", "baseURL": "http://b/v1"}
    assert (first["policyRef"], second["policyRef"], first["authRefs"]) == ("ppol", "bpol", [{"secret": "c"}])


def test_an_explicit_endpoint_of_the_pack_wins_over_the_secrets() -> None:
    found = stamped(persona(), baseURL="http://gateway/v1", authRefs=[{"secret": "key"}])
    assert found.instances["sre"]["spec"]["agents"]["default"]["baseURL"] == "http://gateway/v1"


def test_the_installations_endpoint_is_for_those_without_secrets() -> None:
    endpoint = config(baseURL="http://c/v1")
    without = stamped(persona(), config_=endpoint).instances["sre"]["spec"]
    assert without["agents"]["default"]["baseURL"] == "http://c/v1"
    with_secret = stamped(persona(), config_=endpoint, authRefs=[{"secret": "k"}]).instances["sre"]["spec"]
    assert "baseURL" not in with_secret["agents"]["default"]


@pytest.mark.parametrize("spec", [{"enabled": False}, {"enabled": None}, {"excludePersonas": ["sre"]}])
def test_what_is_not_wanted_is_not_made(spec: dict[str, Any]) -> None:
    found = stamped(persona(schedule={"interval": "1h", "task": "x"}), **spec)
    assert (found.instances, found.schedules) == ({}, {})


def test_one_persona_without_a_model_does_not_hold_up_the_others() -> None:
    found = stamped({"name": "a", "systemPrompt": "x"}, persona("b"))
    assert list(found.instances) == ["b"]
    assert "no model" in found.problems["a"]


def test_a_schedule_without_a_time_is_a_problem_that_is_named() -> None:
    found = stamped(persona(schedule={"task": "x"}))
    assert (list(found.instances), found.schedules) == (["sre"], {})
    assert "neither cron nor interval" in found.problems["sre"]


def test_fields_that_are_not_acted_on_are_passed_on_to_be_reported() -> None:
    spec = stamped(
        persona(memory={"enabled": True, "seeds": ["x"]}, channels=["slack"]), channelConfigs={"slack": "s"}
    ).instances["sre"]["spec"]
    assert spec["memory"] == {"enabled": True, "seeds": ["x"]}
    assert spec["channels"] == [{"type": "slack", "configRef": {"secret": "s"}}]
