"""The admission plugin: enforce refuses pods, warn answers with warnings (also for what makes pods), audit logs."""

import logging
from collections.abc import Callable
from typing import Final

from sympozium.localkube.access.objects import Objects
from sympozium.localkube.admission.podsecurity import baseline, restricted
from sympozium.localkube.admission.podsecurity.containers import Finding
from sympozium.localkube.admission.podsecurity.levels import LEVELS, Level, read
from sympozium.localkube.errors import forbidden, invalid
from sympozium.localkube.types import AdmissionRequest, Object

log = logging.getLogger(__name__)
Check = Callable[[Object, dict[str, str], int], Finding | None]

# By the identifiers that Kubernetes gives its checks, in whose order findings are written; a check of the
# restricted level takes the place of the baseline's of the same subject.
_BASELINE: Final[dict[str, Check]] = {
    "appArmorProfile": baseline.app_armor,
    "capabilities_baseline": baseline.capabilities,
    "hostNamespaces": baseline.host_namespaces,
    "hostPathVolumes": baseline.host_path_volumes,
    "hostPorts": baseline.host_ports,
    "hostProbesAndHostLifecycle": baseline.host_probes,
    "privileged": baseline.privileged,
    "procMount": baseline.proc_mount,
    "seLinuxOptions": baseline.selinux,
    "seccompProfile_baseline": baseline.seccomp,
    "sysctls": baseline.sysctls,
    "windowsHostProcess": baseline.host_process,
}
_RESTRICTED: Final[dict[str, Check]] = {
    "allowPrivilegeEscalation": restricted.escalation,
    "capabilities_restricted": restricted.capabilities,
    "restrictedVolumes": restricted.volumes,
    "procMount_restricted": restricted.proc_mount,
    "runAsNonRoot": restricted.non_root,
    "runAsUser": restricted.user,
    "seccompProfile_restricted": restricted.seccomp,
}
_REPLACED: Final = {
    "capabilities_restricted": ("capabilities_baseline", 22),
    "restrictedVolumes": ("hostPathVolumes", 0),
    "seccompProfile_restricted": ("seccompProfile_baseline", 19),
    "procMount_restricted": ("procMount", 35),
}
_TEMPLATES: Final = {
    ("apps", "deployments"), ("apps", "daemonsets"), ("apps", "replicasets"), ("apps", "statefulsets"),
    ("", "replicationcontrollers"), ("", "podtemplates"), ("batch", "jobs"), ("batch", "cronjobs"),
}  # fmt: skip
_CHECKED: Final = 3000
"""Pods of a namespace that a new level is held against."""


def violations(level: Level, spec: Object, notes: dict[str, str]) -> list[Finding]:
    """Everything in a pod's spec and annotations that the level does not allow."""
    if level.name == "privileged":
        return []
    checks = dict(_BASELINE)
    if level.name == "restricted":
        checks |= _RESTRICTED
        for name, (other, since) in _REPLACED.items():
            if level.minor >= since:
                del checks[other]
            else:
                del checks[name]
    ordered = sorted(checks.items(), key=lambda item: (item[0] in _RESTRICTED, item[0]))
    found = [check(spec, notes, level.minor) for _, check in ordered]
    return [finding for finding in found if finding is not None]


class PodSecurity:
    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def validate(self, request: AdmissionRequest) -> list[str]:
        """Returns warnings. Raises ApiError 403 for a pod, 422 for labels of a namespace."""
        if request.obj is None or request.operation not in {"CREATE", "UPDATE"}:
            return []
        if (request.group, request.resource) == ("", "namespaces"):
            return [] if request.subresource else self._namespace(request, request.obj)
        pods = (request.group, request.resource) == ("", "pods")
        if pods and request.subresource not in {"", "ephemeralcontainers"}:
            return []
        if not pods and ((request.group, request.resource) not in _TEMPLATES or request.subresource):
            return []
        namespace = self._objects.get("", "namespaces", "", request.namespace)
        labels = ((namespace or {}).get("metadata") or {}).get("labels") or {}
        if not any(key.startswith("pod-security.kubernetes.io/") for key in labels):
            return []
        if pods and request.old is not None and not _significant(request.obj, request.old):
            return []
        template = request.obj if pods else _template(request.resource, request.obj)
        return self._pod(request, labels, template, enforce=pods) if template is not None else []

    def _pod(
        self, request: AdmissionRequest, labels: dict[str, str], pod: Object, *, enforce: bool
    ) -> list[str]:
        levels, _ = read(labels)
        spec, notes = pod.get("spec") or {}, (pod.get("metadata") or {}).get("annotations") or {}
        if enforce:
            found = violations(levels["enforce"], spec, notes)
            if found:
                why = f'violates PodSecurity "{levels["enforce"]}": {_all(found)}'
                raise forbidden(request.group, request.resource, request.name, why)
        found = violations(levels["audit"], spec, notes)
        if found:
            what = f"{request.resource} {request.namespace}/{request.name}"
            log.info('audit: %s would violate PodSecurity "%s": %s', what, levels["audit"], _all(found))
        found = violations(levels["warn"], spec, notes)
        return [f'would violate PodSecurity "{levels["warn"]}": {_all(found)}'] if found else []

    def _namespace(self, request: AdmissionRequest, namespace: Object) -> list[str]:
        labels = namespace["metadata"].get("labels") or {}
        levels, causes = read(labels)
        old_labels = ((request.old or {}).get("metadata") or {}).get("labels") or {}
        old_levels, old_causes = read(old_labels)
        if causes and (request.old is None or causes != old_causes):
            raise invalid("", "Namespace", request.name, causes)
        new, old = levels["enforce"], old_levels["enforce"]
        if request.old is None or new == old or new.name == "privileged":
            return []
        if new.version == old.version and LEVELS.index(new.name) <= LEVELS.index(old.name):
            return []
        return self._existing(request.name, new)

    def _existing(self, namespace: str, level: Level) -> list[str]:
        """Warnings of the pods that are there already; pods of one controller count once for each reason."""
        found: dict[str, list[str]] = {}
        pods = [pod for pod in self._objects.list("", "pods") if pod["metadata"]["namespace"] == namespace]
        for pod in pods[:_CHECKED]:
            wrong = violations(level, pod["spec"], pod["metadata"].get("annotations") or {})
            if wrong:
                found.setdefault(", ".join(finding.reason for finding in wrong), []).append(
                    pod["metadata"]["name"]
                )
        if not found:
            return []
        lines = [f"{_counted(names)}: {reason}" for reason, names in found.items()]
        first = (
            f'existing pods in namespace "{namespace}" violate the new PodSecurity enforce level "{level}"'
        )
        return [first, *sorted(lines)]


def _counted(names: list[str]) -> str:
    others = len(names) - 1
    if not others:
        return min(names)
    return f"{min(names)} (and {others} other {'pod' if others == 1 else 'pods'})"


def _all(found: list[Finding]) -> str:
    return ", ".join(str(finding) for finding in found)


def _significant(new: Object, old: Object) -> bool:
    """Whether an update changes what checks look at: most updates of pods are about labels."""
    return new.get("spec") != old.get("spec") or (new["metadata"].get("annotations") or {}) != (
        old["metadata"].get("annotations") or {}
    )


def _template(resource: str, obj: Object) -> Object | None:
    if resource == "podtemplates":
        found = obj.get("template")
    else:
        spec = obj.get("spec") or {}
        if resource == "cronjobs":
            spec = (spec.get("jobTemplate") or {}).get("spec") or {}
        found = spec.get("template")
    return found if isinstance(found, dict) else None
