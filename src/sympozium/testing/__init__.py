"""For tests of your own packs, policies and skills: a real control plane in a temporary directory.

    def test_my_pack(sympozium_cluster):
        sympozium_cluster.apply(Path("my-pack.yaml").read_text())
        run = sympozium_cluster.wait(AGENT_RUN, "check", lambda r: phase(r) == "Succeeded")

The control plane is the whole one (`sympozium up` in a directory of its own, on free ports); nothing
is mocked but the model's words, which a script gives (`docs/testing.md`). To have the
fixtures, put `pytest_plugins = ["sympozium.testing.plugin"]` into your `conftest.py`.
"""

from sympozium.kube.resources import Resource
from sympozium.testing.client import ApiError, Client, phase
from sympozium.testing.cluster import Cluster
from sympozium.testing.kube import KubeAPI
from sympozium.testing.model import ScriptedModel
from sympozium.testing.resources import (
    AGENT_RUN,
    APPROVAL_REQUEST,
    CONFIG_MAP,
    EVENT,
    INSTANCE,
    JOB,
    NAMESPACE,
    NODE,
    PERSONA_PACK,
    POD,
    POLICY,
    SCHEDULE,
    SECRET,
    SKILL_PACK,
)

__all__ = [
    "AGENT_RUN",
    "APPROVAL_REQUEST",
    "CONFIG_MAP",
    "EVENT",
    "INSTANCE",
    "JOB",
    "NAMESPACE",
    "NODE",
    "PERSONA_PACK",
    "POD",
    "POLICY",
    "SCHEDULE",
    "SECRET",
    "SKILL_PACK",
    "ApiError",
    "Client",
    "Cluster",
    "KubeAPI",
    "Resource",
    "ScriptedModel",
    "phase",
]
