"""Whether the API server lets the pod of a run in, asked before there is a run that waits for a pod that never comes.

Asked only for runs whose skills want something of the node: all others conform to the level `restricted`.
"""

from typing import Final

from sympozium.api import SkillPack
from sympozium.api.base import Object
from sympozium.controllers.run.plan import Inputs, Plan
from sympozium.controllers.run.plan.inputs import PodSecurityError
from sympozium.kube import Client, ForbiddenError, InvalidError
from sympozium.kube.resources import NAMESPACES, PODS
from sympozium.policy import hostaccess

_OWN: Final = ("serviceAccountName",)
"""Fields of the pod that refer to what is not there yet."""


async def check(client: Client, inputs: Inputs, made: Plan) -> None:
    """Raises PodSecurityError with the namespace's level and the cure."""
    packs = [skill.pack for skill in inputs.skills if hostaccess.of(skill.pack)]
    if not packs:
        return
    namespace = inputs.run.namespace
    if problem := await of_namespace(client, namespace, packs):
        raise PodSecurityError(problem)
    template = made.job["spec"]["template"]
    pod: Object = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            **template["metadata"],
            "generateName": f"{inputs.run.name[:50]}-",
            "namespace": namespace,
        },
        "spec": {key: value for key, value in template["spec"].items() if key not in _OWN},
    }
    try:
        await client.create(PODS, pod, dry_run=True)
    except (ForbiddenError, InvalidError) as error:
        access = hostaccess.of(packs[0])
        assert access is not None, "chosen for that"
        words = f"the API server does not let such a pod in: {error}: {hostaccess.cure(namespace, access)}"
        raise PodSecurityError(words) from error


async def of_namespace(client: Client, namespace: str, packs: list[SkillPack]) -> str:
    """What the labels of a namespace have against pods with these packs, in words; empty for nothing."""
    found = await client.find(NAMESPACES, namespace)
    labels = (found or {}).get("metadata", {}).get("labels") or {}
    return hostaccess.refused(namespace, labels, packs)
