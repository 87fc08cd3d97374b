"""The checks that the restricted level has beside the baseline's.

https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
"""

from typing import Final

from sympozium.localkube.admission.podsecurity.baseline import proc_mount as _proc_mount
from sympozium.localkube.admission.podsecurity.containers import (
    Finding,
    containers,
    context,
    host_users,
    named,
    plural,
    quoted,
    windows,
)
from sympozium.localkube.types import Object

_VOLUMES: Final = frozenset(
    [
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    ]
)


def escalation(spec: Object, _notes: dict[str, str], minor: int) -> Finding | None:
    if minor < 8 or (minor >= 25 and windows(spec)):
        return None
    bad = [c["name"] for c in containers(spec) if context(c).get("allowPrivilegeEscalation") is not False]
    what = f"{named(bad)} must set securityContext.allowPrivilegeEscalation=false"
    return Finding("allowPrivilegeEscalation != false", what) if bad else None


def capabilities(spec: Object, _notes: dict[str, str], minor: int) -> Finding | None:
    if minor < 22 or (minor >= 25 and windows(spec)):
        return None
    keeping: list[str] = []
    adding: list[str] = []
    words: set[str] = set()
    for container in containers(spec):
        parts = context(container).get("capabilities") or {}
        if "ALL" not in (parts.get("drop") or ()):
            keeping.append(container["name"])
        added = set(parts.get("add") or ()) - {"NET_BIND_SERVICE"}
        if added:
            adding.append(container["name"])
            words |= added
    details = [f'{named(keeping)} must set securityContext.capabilities.drop=["ALL"]'] if keeping else []
    if adding:
        details.append(
            f"{named(adding)} must not include {quoted(sorted(words))} in securityContext.capabilities.add"
        )
    return Finding("unrestricted capabilities", "; ".join(details)) if details else None


def volumes(spec: Object, _notes: dict[str, str], _minor: int) -> Finding | None:
    bad: list[str] = []
    kinds: set[str] = set()
    for volume in spec.get("volumes") or ():
        wrong = [key for key in volume if key != "name" and key not in _VOLUMES and volume[key] is not None]
        if wrong:
            bad.append(volume["name"])
            kinds |= set(wrong)
    if not bad:
        return None
    uses, what = plural("uses", len(bad), "use"), plural("restricted volume type", len(kinds))
    detail = f"{plural('volume', len(bad))} {quoted(bad)} {uses} {what} {quoted(sorted(kinds))}"
    return Finding("restricted volume types", detail)


def non_root(spec: Object, _notes: dict[str, str], minor: int) -> Finding | None:
    if minor >= 35 and not host_users(spec):
        return None
    pod = context(spec).get("runAsNonRoot")
    setters, explicit, implicit = ["pod"] if pod is False else [], [], []
    for container in containers(spec):
        own = context(container).get("runAsNonRoot")
        if own is False:
            explicit.append(container["name"])
        elif own is None and pod is not True:
            implicit.append(container["name"])
    if explicit:
        setters.append(named(explicit))
    if setters:
        what = f"{' and '.join(setters)} must not set securityContext.runAsNonRoot=false"
        return Finding("runAsNonRoot != true", what)
    if not implicit:
        return None
    return Finding(
        "runAsNonRoot != true", f"pod or {named(implicit)} must set securityContext.runAsNonRoot=true"
    )


def user(spec: Object, _notes: dict[str, str], minor: int) -> Finding | None:
    if minor < 23 or (minor >= 35 and not host_users(spec)):
        return None
    setters = ["pod"] if context(spec).get("runAsUser") == 0 else []
    bad = [container["name"] for container in containers(spec) if context(container).get("runAsUser") == 0]
    if bad:
        setters.append(named(bad))
    return Finding("runAsUser=0", f"{' and '.join(setters)} must not set runAsUser=0") if setters else None


def seccomp(spec: Object, _notes: dict[str, str], minor: int) -> Finding | None:
    if minor < 19 or (minor >= 25 and windows(spec)):
        return None
    pod = (context(spec).get("seccompProfile") or {}).get("type")
    fine = {"RuntimeDefault", "Localhost"}
    setters, values = (
        ["pod"] if pod not in {None, *fine} else [],
        {pod} if pod not in {None, *fine} else set(),
    )
    explicit: list[str] = []
    implicit: list[str] = []
    for container in containers(spec):
        own = (context(container).get("seccompProfile") or {}).get("type")
        if own is None:
            if pod not in fine:
                implicit.append(container["name"])
        elif own not in fine:
            explicit.append(container["name"])
            values.add(own)
    if explicit:
        setters.append(named(explicit))
    if setters:
        shown = quoted(sorted(str(value) for value in values))
        what = f"{' and '.join(setters)} must not set securityContext.seccompProfile.type to {shown}"
        return Finding("seccompProfile", what)
    if not implicit:
        return None
    what = f'pod or {named(implicit)} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
    return Finding("seccompProfile", what)


def proc_mount(spec: Object, notes: dict[str, str], minor: int) -> Finding | None:
    """From 1.35 the baseline allows more inside a user namespace, and this level does not."""
    return _proc_mount({**spec, "hostUsers": True}, notes, minor) if minor >= 35 else None
