"""What is wrong with the security contexts of a pod and of its containers, in the API server's words."""

import re
from typing import Any

from sympozium.localkube.defaults.checks import MAX_INT32, Causes, below, between, optional_word
from sympozium.localkube.schema import gotext
from sympozium.localkube.types import Object

_PROFILES = ("Localhost", "RuntimeDefault", "Unconfined")
_SYSCTL = re.compile(r"([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?")
_SYSCTL_TEXT = (
    r"must have at most 253 characters and match regex "
    r"^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$"
)


def pod_causes(spec: Object, path: str) -> Causes:
    """`spec.securityContext`, with what it shares with the spec."""
    context, at = spec.get("securityContext"), f"{path}.securityContext"
    if context is None:
        return []
    causes: Causes = []
    for key in ("fsGroup", "runAsUser", "runAsGroup"):
        causes += between(context.get(key), 0, MAX_INT32, f"{at}.{key}")
    for index, group in enumerate(context.get("supplementalGroups") or ()):
        causes += between(group, 0, MAX_INT32, f"{at}.supplementalGroups[{index}]")
    if spec.get("hostPID") and spec.get("shareProcessNamespace"):
        why = "ShareProcessNamespace and HostPID cannot both be enabled"
        causes.append(gotext.invalid(f"{at}.shareProcessNamespace", True, why))
    causes += _sysctls(context.get("sysctls") or (), spec, f"{at}.sysctls")
    policies = ("Always", "OnRootMismatch")
    causes += optional_word(context.get("fsGroupChangePolicy"), policies, f"{at}.fsGroupChangePolicy")
    causes += _seccomp(context.get("seccompProfile"), f"{at}.seccompProfile")
    causes += _app_armor(context.get("appArmorProfile"), f"{at}.appArmorProfile")
    merging = context.get("supplementalGroupsPolicy")
    causes += optional_word(merging, ("Merge", "Strict"), f"{at}.supplementalGroupsPolicy")
    changes = ("MountOption", "Recursive")
    return causes + optional_word(context.get("seLinuxChangePolicy"), changes, f"{at}.seLinuxChangePolicy")


def _sysctls(sysctls: Any, spec: Object, at: str) -> Causes:
    causes: Causes = []
    names: set[str] = set()
    for index, sysctl in enumerate(sysctls):
        name, place = sysctl.get("name") or "", f"{at}[{index}].name"
        if not name:
            causes.append(gotext.required(place))
        elif len(name) > 253 or not _SYSCTL.fullmatch(name):
            causes.append(gotext.invalid(place, name, _SYSCTL_TEXT))
        elif name in names:
            causes.append(gotext.duplicate(place, name))
        dotted = name.replace("/", ".")
        if spec.get("hostNetwork") and dotted.startswith("net."):
            causes.append(gotext.invalid(place, name, "may not be specified when 'hostNetwork' is true"))
        elif spec.get("hostIPC") and dotted.startswith(
            ("kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue.")
        ):
            causes.append(gotext.invalid(place, name, "may not be specified when 'hostIPC' is true"))
        names.add(name)
    return causes


def _seccomp(profile: Object | None, at: str) -> Causes:
    if profile is None:
        return []
    kind, local = profile.get("type") or "", profile.get("localhostProfile")
    causes: Causes = []
    if not kind:
        causes.append(gotext.required(f"{at}.type", "type is required when seccompProfile is set"))
    elif kind not in _PROFILES:
        causes.append(gotext.unsupported(f"{at}.type", kind, _PROFILES))
    if kind != "Localhost":
        if local is not None:
            shown = {"Type": kind, "LocalhostProfile": local}
            why = "can only be set when seccomp type is Localhost"
            causes.append(gotext.invalid(f"{at}.localhostProfile", shown, why))
    elif local is None:
        causes.append(gotext.required(f"{at}.localhostProfile", "must be set when seccomp type is Localhost"))
    else:
        causes += below(local, f"{at}.localhostProfile")
    return causes


def _app_armor(profile: Object | None, at: str) -> Causes:
    if profile is None:
        return []
    kind, local, place = profile.get("type") or "", profile.get("localhostProfile"), f"{at}.localhostProfile"
    if not kind:
        return [gotext.required(f"{at}.type", "type is required when appArmorProfile is set")]
    if kind not in _PROFILES:
        return [gotext.unsupported(f"{at}.type", kind, _PROFILES)]
    if kind != "Localhost":
        why = "can only be set when AppArmor type is Localhost"
        return [] if local is None else [gotext.invalid(place, local, why)]
    if not (local or "").strip() and (local or "") == (local or "").strip():
        return [gotext.required(place, "must be set when AppArmor type is Localhost")]
    if local != (local or "").strip():
        return [gotext.invalid(place, local, "must not be padded with whitespace")]
    return [gotext.too_long(place, 4095)] if len(local or "") > 4095 else []


def container_causes(context: Object | None, at: str, *, host_users: bool) -> Causes:
    """The securityContext of a container."""
    if context is None:
        return []
    causes = between(context.get("runAsUser"), 0, MAX_INT32, f"{at}.runAsUser")
    causes += between(context.get("runAsGroup"), 0, MAX_INT32, f"{at}.runAsGroup")
    causes += optional_word(context.get("procMount"), ("Default", "Unmasked"), f"{at}.procMount")
    if host_users and context.get("procMount") == "Unmasked":
        why = "`hostUsers` must be false to use `Unmasked`"
        causes.append(gotext.invalid(f"{at}.procMount", "Unmasked", why))
    causes += _seccomp(context.get("seccompProfile"), f"{at}.seccompProfile")
    if context.get("allowPrivilegeEscalation") is False:
        start = "cannot set `allowPrivilegeEscalation` to false and"
        if context.get("privileged"):
            causes.append(gotext.invalid(at, _shown(context), f"{start} `privileged` to true"))
        if "CAP_SYS_ADMIN" in ((context.get("capabilities") or {}).get("add") or ()):
            causes.append(gotext.invalid(at, _shown(context), f"{start} `capabilities.Add` CAP_SYS_ADMIN"))
    return causes + _app_armor(context.get("appArmorProfile"), f"{at}.appArmorProfile")


def _shown(context: Object) -> Object:
    """A security context as the API server's own type prints itself."""

    def part(key: str, **names: str) -> Any:
        found = context.get(key)
        return None if found is None else {go: found.get(name) for go, name in names.items()}

    linux = part("seLinuxOptions", User="user", Role="role", Type="type", Level="level")
    profile = {"Type": "type", "LocalhostProfile": "localhostProfile"}
    return {
        "Capabilities": part("capabilities", Add="add", Drop="drop"),
        "Privileged": context.get("privileged"),
        "SELinuxOptions": None if linux is None else {key: value or "" for key, value in linux.items()},
        "WindowsOptions": context.get("windowsOptions"),
        "RunAsUser": context.get("runAsUser"),
        "RunAsGroup": context.get("runAsGroup"),
        "RunAsNonRoot": context.get("runAsNonRoot"),
        "ReadOnlyRootFilesystem": context.get("readOnlyRootFilesystem"),
        "AllowPrivilegeEscalation": context.get("allowPrivilegeEscalation"),
        "ProcMount": context.get("procMount"),
        "SeccompProfile": part("seccompProfile", **profile),
        "AppArmorProfile": part("appArmorProfile", **profile),
    }
