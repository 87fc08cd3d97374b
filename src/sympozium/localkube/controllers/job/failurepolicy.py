"""podFailurePolicy: what the failure of one pod means for its Job.

https://kubernetes.io/docs/concepts/workloads/controllers/job/#pod-failure-policy
"""

from dataclasses import dataclass

from sympozium.localkube.controllers.job.pods import terminations
from sympozium.localkube.types import Object


@dataclass(frozen=True, slots=True)
class Verdict:
    """`action` is Count, Ignore or FailJob; `message` is for the condition of a failed Job."""

    action: str
    message: str = ""


COUNT = Verdict("Count")


def judge(policy: Object | None, pod: Object) -> Verdict:
    """The first rule that matches decides; without one the failure counts."""
    for index, rule in enumerate((policy or {}).get("rules") or ()):
        matched = _exit_code(rule.get("onExitCodes"), pod) or _condition(rule.get("onPodConditions"), pod)
        if matched:
            action = rule["action"]
            return Verdict(action, f"{matched} matching {action} rule at index {index}")
    return COUNT


def _exit_code(wanted: Object | None, pod: Object) -> str:
    if not wanted:
        return ""
    meta, values = pod["metadata"], wanted.get("values") or ()
    for name, ended in terminations(pod):
        code = ended.get("exitCode", 0)
        if code == 0 or (wanted.get("containerName") or name) != name:
            continue
        if (code in values) == (wanted["operator"] == "In"):
            return f"Container {name} for pod {meta['namespace']}/{meta['name']} failed with exit code {code}"
    return ""


def _condition(wanted: list[Object] | None, pod: Object) -> str:
    present = {c["type"]: c.get("status") for c in (pod.get("status") or {}).get("conditions") or ()}
    for condition in wanted or ():
        if present.get(condition["type"]) == (condition.get("status") or "True"):
            meta = pod["metadata"]
            return f"Pod {meta['namespace']}/{meta['name']} has condition {condition['type']}"
    return ""
