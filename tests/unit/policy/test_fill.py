from tests.unit.policy.make import effective, instance, policy, run

from sympozium.api.config import ConfigSpec
from sympozium.policy import fill, sandbox

CONFIG = ConfigSpec(provider="ollama", base_url="http://ollama", run_timeout="20m")


def test_everything_that_was_left_out_comes_from_the_instance() -> None:
    inst = instance(
        default={"model": "qwen", "thinking": "low", "runTimeout": "5m"},
        skills=[{"skillPackRef": "k8s-ops"}], systemPrompt="You.",
    )  # fmt: skip
    spec = fill(run(), inst, CONFIG, effective())
    assert spec.model
    assert spec.model.to_json() == {
        "provider": "ollama",
        "model": "qwen",
        "baseURL": "http://ollama",
        "thinking": "low",
    }
    assert (spec.agent_id, spec.session_key, spec.timeout) == ("default", "i:r", "5m")
    assert [skill.skill_pack_ref for skill in spec.skills] == ["k8s-ops"]
    assert spec.system_prompt == "You."


def test_what_the_run_says_wins() -> None:
    inst = instance(default={"model": "qwen", "baseURL": "http://instance"}, systemPrompt="You.")
    own = run(
        model={"model": "big", "provider": "x", "baseURL": "http://run"},
        timeout="1m",
        systemPrompt="Me.",
        agentId="a",
        sessionKey="s",
    )
    spec = fill(own, inst, CONFIG, effective())
    assert spec.model
    assert (spec.model.model, spec.model.base_url, spec.model.provider) == (
        "big",
        "http://run",
        "x",
    )
    assert (spec.timeout, spec.system_prompt, spec.agent_id, spec.session_key) == ("1m", "Me.", "a", "s")


def test_a_secret_may_name_the_endpoint_so_the_installations_is_left_out() -> None:
    spec = fill(run(), instance(authRefs=[{"secret": "key"}]), CONFIG, effective())
    assert spec.model
    assert spec.model.base_url is None
    explicit = instance(authRefs=[{"secret": "key"}], default={"baseURL": "http://explicit"})
    assert fill(run(), explicit, CONFIG, effective()).model.base_url == "http://explicit"
    assert fill(run(model={"authSecretRef": "k"}), instance(), CONFIG, effective()).model.base_url is None


def test_without_anything_the_installation_decides() -> None:
    spec = fill(run(), instance(), ConfigSpec(), effective())
    assert spec.timeout == "30m"
    assert spec.model.provider == "openai"


REQUIRED = {"sandboxPolicy": {"required": True, "maxCPU": "2", "maxMemory": "4Gi", "defaultImage": "img"}}


def test_a_required_sandbox_is_switched_on_with_the_policys_limits() -> None:
    box = fill(run(), instance(), CONFIG, effective(**REQUIRED)).sandbox
    assert box
    assert box.enabled
    assert box.image == "img"
    assert box.resources.limits == {"cpu": "2", "memory": "4Gi"}
    assert sandbox.check(box, effective(**REQUIRED)) == []


def test_limits_of_the_run_are_kept_and_the_smallest_maximum_fills_the_rest() -> None:
    own = run(sandbox={"enabled": True, "image": "mine", "resources": {"limits": {"cpu": "500m"}}})
    floor = policy("floor", sandboxPolicy={"required": False, "maxMemory": "1Gi"})
    box = fill(own, instance(), CONFIG, effective(floor=floor, **REQUIRED)).sandbox
    assert (box.image, box.resources.limits) == ("mine", {"cpu": "500m", "memory": "1Gi"})


def test_an_instances_sandbox_is_taken_over() -> None:
    inst = instance(default={"sandbox": {"enabled": True, "image": "x"}})
    assert fill(run(), inst, CONFIG, effective()).sandbox.image == "x"
    assert fill(run(sandbox={"enabled": False}), inst, CONFIG, effective()).sandbox.enabled is False
    assert fill(run(), instance(), CONFIG, effective()).sandbox is None


def test_filling_twice_changes_nothing() -> None:
    inst = instance(skills=[{"skillPackRef": "k8s-ops"}], default={"sandbox": {"enabled": True}})
    once = run(**fill(run(), inst, CONFIG, effective(**REQUIRED)).to_json() | {"instanceRef": "i"})
    assert fill(once, inst, CONFIG, effective(**REQUIRED)) == once.spec
