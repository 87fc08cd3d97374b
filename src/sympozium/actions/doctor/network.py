"""Whether network policies hold: tried, or as it was found when it was last tried."""

from datetime import UTC, datetime

from sympozium.actions.doctor.finding import Finding
from sympozium.actions.doctor.installation import images
from sympozium.actions.networkprobe import CONDITION, digest_of, probe
from sympozium.api.config import SympoziumConfig
from sympozium.api.meta import SYSTEM_NAMESPACE
from sympozium.kube import Client
from sympozium.kube.conditions import find, merged, rfc3339
from sympozium.kube.resources import NODES
from sympozium.resources import CONFIGS


async def last_probe(client: Client, _namespace: str) -> Finding:
    """Whether network policies hold, as it was found when it was last tried."""
    config = await client.find(CONFIGS, "default", SYSTEM_NAMESPACE)
    status = (config or {}).get("status") or {}
    condition = find(status.get("conditions"), "NetworkPolicyEnforced")
    checked = (status.get("networkProbe") or {}).get("checkedAt")
    if condition is None or not checked:
        return Finding(None, "not tried yet", "try it with sympozium doctor")
    well = {"True": True, "False": False}.get(condition["status"])
    words = f"{condition['reason']}: {condition['message']} (tried {checked})"
    return Finding(well, words, "" if well else "try it again with sympozium doctor")


async def enforced(client: Client, _namespace: str) -> Finding:
    obj = await client.find(CONFIGS, "default", SYSTEM_NAMESPACE)
    config = SympoziumConfig.model_validate(obj or {"metadata": {"name": "default"}})
    nodes = digest_of(await client.list(NODES))
    verdict = await probe(client, SYSTEM_NAMESPACE, await images(client, config.spec))
    status = (obj or {}).get("status") or {}
    known = (find(status.get("conditions"), CONDITION) or {}).get("status")
    # What was found out is not taken back by a look that found nothing out.
    if obj is not None and (verdict.enforced is not None or known not in ("True", "False")):
        now = datetime.now(UTC)
        conditions = merged(
            status.get("conditions") or [], [verdict.condition()], now=now,
            generation=int(obj["metadata"].get("generation") or 0),
        )  # fmt: skip
        checked = {"checkedAt": rfc3339(now), "nodes": nodes}
        await client.patch_status(CONFIGS, obj, {"conditions": conditions, "networkProbe": checked})
    cure = (
        "runs whose policy closes the network are refused until then, or with networkPolicy.whenUnenforced: Allow run "
        "in the open"
    )
    return Finding(verdict.enforced, f"{verdict.reason}: {verdict.message}", cure)
