"""Does an installation work: its parts are there, and its webhook judges. What `helm test` runs.

Nothing is kept: what is sent to the API are dry runs.
"""

from sympozium.actions.errors import ActionError
from sympozium.api.meta import SYSTEM_NAMESPACE
from sympozium.kube import Client, InvalidError, KubeError
from sympozium.kube.resources import DEPLOYMENTS, STATEFUL_SETS, Object
from sympozium.resources import POLICIES

_PARTS = "app.kubernetes.io/part-of=sympozium"
_NAME = "sympozium-selftest"


async def selftest(client: Client) -> list[str]:
    """What was found to be well, in words. Raises ActionError that says what is not."""
    return [await _parts(client), await _webhook(client)]


async def _parts(client: Client) -> str:
    found = [
        obj
        for resource in (DEPLOYMENTS, STATEFUL_SETS)
        for obj in await client.list(resource, SYSTEM_NAMESPACE, labels=_PARTS)
    ]
    if not found:
        raise ActionError(f"no Deployment of sympozium is in namespace {SYSTEM_NAMESPACE}")
    late = []
    for obj in found:
        wanted, ready = obj["spec"].get("replicas", 1), (obj.get("status") or {}).get("readyReplicas") or 0
        if ready < wanted:
            late.append(f"{obj['metadata']['name']} has {ready} of {wanted} pods ready")
    if late:
        raise ActionError("; ".join(late))
    return f"{len(found)} parts are ready: {', '.join(sorted(o['metadata']['name'] for o in found))}"


async def _webhook(client: Client) -> str:
    """A policy that the schema lets through and only the webhook can judge: once good, once bad."""
    try:
        await _dry_run(client, "args.command == 'ls'")
    except KubeError as error:
        raise ActionError(f"the webhook does not let a good policy pass: {error}") from error
    try:
        await _dry_run(client, "args.command ==")
    except InvalidError as error:
        return f"the webhook judges: {error}"
    except KubeError as error:
        raise ActionError(f"the webhook does not answer: {error}") from error
    raise ActionError(
        "a policy with a broken expression was accepted: the webhook is not asked; "
        "see: kubectl get validatingwebhookconfiguration sympozium -o yaml"
    )


async def _dry_run(client: Client, when: str) -> None:
    policy: Object = {
        "apiVersion": POLICIES.api_version,
        "kind": POLICIES.kind,
        "metadata": {"name": _NAME, "namespace": SYSTEM_NAMESPACE},
        "spec": {"toolGating": {"rules": [{"tool": "execute_command", "action": "allow", "when": when}]}},
    }
    await client.request("POST", POLICIES.path(SYSTEM_NAMESPACE), body=policy, query={"dryRun": "All"})
