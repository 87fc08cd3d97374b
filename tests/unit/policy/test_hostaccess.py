"""Access to the node: what a pack asks for, which level lets it in, and what a namespace has against it."""

from typing import Any

import pytest

from sympozium.api import SkillPack
from sympozium.policy import Effective, hostaccess
from sympozium.policy.packs import refusals
from unit.controllers.make import policy, skill_pack

LABEL = "pod-security.kubernetes.io/enforce"


def pack(**access: Any) -> SkillPack:
    return skill_pack("llmfit", hostAccess={"enabled": True, **access})


PID, ROOT, DISK = (
    pack(hostPID=True),
    pack(runAsRoot=True),
    pack(mounts=[{"hostPath": "/dev", "mountPath": "/dev"}]),
)


def test_what_is_off_or_empty_is_nothing() -> None:
    assert hostaccess.of(skill_pack("none")) is None
    assert hostaccess.of(skill_pack("none", image="i")) is None
    assert hostaccess.of(skill_pack("off", hostAccess={"enabled": False, "hostPID": True})) is None
    assert hostaccess.of(pack()) is None


@pytest.mark.parametrize(
    ("labels", "wanting", "refused"),
    [
        ({LABEL: "baseline"}, PID, True), ({LABEL: "restricted"}, PID, True), ({LABEL: "privileged"}, PID, False),
        ({LABEL: "baseline"}, ROOT, False), ({LABEL: "restricted"}, ROOT, True), ({LABEL: "baseline"}, DISK, True),
        ({LABEL: "restricted"}, skill_pack("plain", image="i"), False), ({}, PID, False), ({LABEL: "bsaeline"}, PID, False),
    ],
)  # fmt: skip
def test_the_level_of_the_namespace_decides(
    labels: dict[str, str], wanting: SkillPack, refused: bool
) -> None:
    assert bool(hostaccess.refused("agents", labels, [wanting])) is refused


def test_the_words_name_pack_level_and_cure() -> None:
    words = hostaccess.refused("agents", {LABEL: "baseline"}, [skill_pack("plain", image="i"), PID, DISK])
    assert "skill pack llmfit wants hostPID" in words
    assert "hostPath /dev" in words
    assert "namespace agents enforces Pod Security level baseline" in words
    assert f"kubectl label namespace agents {LABEL}=privileged --overwrite" in words


@pytest.mark.parametrize(
    ("closed", "rules"), [(True, {"denyAll": True}), (False, {"denyAll": False}), (False, None)]
)
def test_the_nodes_network_is_only_for_an_open_one(closed: bool, rules: dict[str, Any] | None) -> None:
    spec: dict[str, Any] = {"sandboxPolicy": {"required": False, "allowHostMounts": True}}
    if rules is not None:
        spec["networkPolicy"] = rules
    layers = Effective.of(policy(**spec)).enforced
    found = refusals(pack(hostNetwork=True), layers)
    assert [v.rule for v in found] == (["p: networkPolicy.denyAll"] if closed else [])
    assert refusals(PID, layers) == []
