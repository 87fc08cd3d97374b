"""The Secrets of a run go where somebody was asked about, also when its instance has others by then."""

from typing import Any

import pytest

from sympozium.api import AgentRun, SympoziumInstance
from sympozium.api.config import ConfigSpec
from sympozium.policy import keys

EVIL = "http://elsewhere.example/v1"


def run(annotation: str | None, **model: Any) -> AgentRun:
    meta: dict[str, Any] = {
        "name": "r",
        "annotations": {} if annotation is None else {keys.ANNOTATION: annotation},
    }
    return AgentRun.model_validate(
        {"metadata": meta, "spec": {"instanceRef": "i", "task": "t", "model": model}}
    )


def instance(*secrets: str, **agent: Any) -> SympoziumInstance:
    refs = [{"secret": secret} for secret in secrets]
    spec = {"authRefs": refs, "agents": {"default": {"model": "m", **agent}}}
    return SympoziumInstance.model_validate({"metadata": {"name": "i"}, "spec": spec})


CONFIG = ConfigSpec.model_validate({"authRefs": [{"secret": "ours"}], "baseURL": "http://gateway/v1"})


@pytest.mark.parametrize("model", [{"baseURL": EVIL}, {"authSecretRef": "leads-elsewhere"}])
def test_a_run_that_chose_its_endpoint_gets_no_other_secrets_than_it_was_admitted_with(
    model: dict[str, Any],
) -> None:
    chooses = run("mine,more", **model)
    assert keys.unasked(chooses, instance("mine"), CONFIG) is None
    text = keys.unasked(chooses, instance("mine", "prod"), CONFIG)
    assert text is not None
    assert text.startswith("spec.model.")
    assert "did not give prod to its runs" in text
    # Without authRefs of its own the instance has the installation's.
    assert "ours" in (keys.unasked(chooses, instance(), CONFIG) or "")
    for unwritten in (None, "", "min"):
        assert keys.unasked(run(unwritten, **model), instance("mine"), CONFIG) is not None


def test_the_endpoints_of_instance_and_installation_get_whatever_the_instance_has() -> None:
    for model in ({}, {"baseURL": CONFIG.base_url}, {"baseURL": "http://own/v1"}):
        assert keys.unasked(run("", **model), instance("prod", baseURL="http://own/v1"), CONFIG) is None
    # What was the instance's when the run was filled, and is no more.
    assert keys.unasked(run("a", baseURL="http://own/v1"), instance("prod"), CONFIG) is not None
    assert keys.annotation(instance("b", "a", "b"), CONFIG) == "a,b"
    assert keys.annotation(instance(), CONFIG) == "ours"
