"""What the cluster lets in, and what it lets whoever asks do."""

from collections import defaultdict
from typing import Any, Final

from sympozium.actions.doctor.finding import Finding
from sympozium.api.meta import SYSTEM_NAMESPACE
from sympozium.api.skillpack import SkillPack
from sympozium.kube import Client
from sympozium.kube.resources import NAMESPACES
from sympozium.policy import hostaccess
from sympozium.resources import CONFIGS, INSTANCES, RUNS, SKILL_PACKS

_REVIEWS: Final = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


async def levels(client: Client, _namespace: str) -> Finding:
    """Pod Security of each namespace with agents, against the access to nodes that their skills want."""
    wanted: dict[str, set[str]] = defaultdict(set)
    for instance in await client.list(INSTANCES):
        skills = instance["spec"].get("skills") or ()
        wanted[instance["metadata"]["namespace"]] |= {
            s["skillPackRef"] for s in skills if s.get("skillPackRef")
        }
    if not wanted:
        return Finding(True, "no namespace has agents yet")
    packs = {
        (pack["metadata"]["namespace"], pack["metadata"]["name"]): SkillPack.model_validate(pack)
        for pack in await client.list(SKILL_PACKS)
    }
    found, told = [], []
    for namespace, skills in sorted(wanted.items()):
        labels = (await client.get(NAMESPACES, namespace))["metadata"].get("labels") or {}
        used = [
            packs.get((namespace, name)) or packs.get((SYSTEM_NAMESPACE, name)) for name in sorted(skills)
        ]
        if words := hostaccess.refused(namespace, labels, [pack for pack in used if pack]):
            found.append(words)
        told.append(f"{namespace} ({labels.get(hostaccess.ENFORCE) or 'the default of the cluster'})")
    if found:
        what, _, cure = "; ".join(found).partition(": ")
        return Finding(False, what, cure)
    return Finding(True, f"lets in what agents need: {', '.join(told)}")


async def permissions(client: Client, namespace: str) -> Finding:
    """What whoever asks may do; nothing of it is needed to look."""
    asked = {
        "run agents": ("create", RUNS.plural, "", namespace),
        "read logs": ("get", "pods", "log", namespace),
        "decide approvals": ("patch", "approvalrequests", "status", namespace),
        "configure": ("update", CONFIGS.plural, "", SYSTEM_NAMESPACE),
    }
    may = {words: await _may(client, *attributes) for words, attributes in asked.items()}
    words = f"in {namespace} you may {', '.join(w for w, yes in may.items() if yes) or 'do nothing'}"
    if barred := [w for w, yes in may.items() if not yes]:
        words += f"; not: {', '.join(barred)}"
    if not may["run agents"]:
        return Finding(
            None,
            words,
            "kubectl create rolebinding with a ClusterRole of docs/admission.md, by an administrator",
        )
    return Finding(True, words)


async def _may(client: Client, verb: str, plural: str, subresource: str, namespace: str) -> bool:
    group = "" if plural == "pods" else RUNS.group
    attributes: dict[str, Any] = {
        "verb": verb, "group": group, "resource": plural, "subresource": subresource, "namespace": namespace
    }  # fmt: skip
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    answer = await client.request("POST", _REVIEWS, body=body)
    return bool((answer.get("status") or {}).get("allowed"))
