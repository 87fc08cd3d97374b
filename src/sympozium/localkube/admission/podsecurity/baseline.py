"""The checks of the baseline level, in their newest form; older ones are the same but for what is noted.

https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline
"""

from typing import Final

from sympozium.localkube.admission.podsecurity.containers import (
    Finding,
    containers,
    context,
    host_users,
    named,
    plural,
    quoted,
)
from sympozium.localkube.types import Object

_CAPABILITIES: Final = frozenset(
    [
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    ]
)
_SYSCTLS: Final = {
    "kernel.shm_rmid_forced": 0,
    "net.ipv4.ip_local_port_range": 0,
    "net.ipv4.tcp_syncookies": 0,
    "net.ipv4.ping_group_range": 0,
    "net.ipv4.ip_unprivileged_port_start": 0,
    "net.ipv4.ip_local_reserved_ports": 27,
    "net.ipv4.tcp_keepalive_time": 29,
    "net.ipv4.tcp_fin_timeout": 29,
    "net.ipv4.tcp_keepalive_intvl": 29,
    "net.ipv4.tcp_keepalive_probes": 29,
    "net.ipv4.tcp_rmem": 32,
    "net.ipv4.tcp_wmem": 32,
}
"""Safe sysctl -> the minor version from which it is allowed."""
_SELINUX: Final = {
    "": 0,
    "container_t": 0,
    "container_init_t": 0,
    "container_kvm_t": 0,
    "container_engine_t": 31,
}
_APPARMOR: Final = "container.apparmor.security.beta.kubernetes.io/"


def host_namespaces(spec: Object, _notes: dict[str, str], _minor: int) -> Finding | None:
    bad = [f"{key}=true" for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key)]
    return Finding("host namespaces", ", ".join(bad)) if bad else None


def host_path_volumes(spec: Object, _notes: dict[str, str], _minor: int) -> Finding | None:
    bad = [volume["name"] for volume in spec.get("volumes") or () if volume.get("hostPath")]
    return Finding("hostPath volumes", f"{plural('volume', len(bad))} {quoted(bad)}") if bad else None


def host_ports(spec: Object, _notes: dict[str, str], _minor: int) -> Finding | None:
    bad: dict[str, set[str]] = {}
    for container in containers(spec):
        ports = {str(port["hostPort"]) for port in container.get("ports") or () if port.get("hostPort")}
        if ports:
            bad[container["name"]] = ports
    if not bad:
        return None
    every = sorted(set().union(*bad.values()))
    uses = plural("uses", len(bad), "use")
    return Finding(
        "hostPort", f"{named(list(bad))} {uses} {plural('hostPort', len(every))} {', '.join(every)}"
    )


def host_probes(spec: Object, _notes: dict[str, str], minor: int) -> Finding | None:
    if minor < 34:
        return None
    bad: dict[str, set[str]] = {}
    for container in containers(spec):
        handlers = [container.get(key) for key in ("livenessProbe", "readinessProbe", "startupProbe")]
        handlers += [(container.get("lifecycle") or {}).get(key) for key in ("postStart", "preStop")]
        parts = [(handler or {}).get(key) or {} for handler in handlers for key in ("httpGet", "tcpSocket")]
        hosts = {part["host"] for part in parts if part.get("host")}
        if hosts:
            bad[container["name"]] = hosts
    if not bad:
        return None
    every = sorted(set().union(*bad.values()))
    uses, what = plural("uses", len(bad), "use"), plural("probe or lifecycle host", len(every))
    return Finding("probe or lifecycle host", f"{named(sorted(bad))} {uses} {what} {quoted(every)}")


def privileged(spec: Object, _notes: dict[str, str], _minor: int) -> Finding | None:
    bad = [container["name"] for container in containers(spec) if context(container).get("privileged")]
    return (
        Finding("privileged", f"{named(bad)} must not set securityContext.privileged=true") if bad else None
    )


def capabilities(spec: Object, _notes: dict[str, str], _minor: int) -> Finding | None:
    bad, words = [], set()
    for container in containers(spec):
        added = set((context(container).get("capabilities") or {}).get("add") or ()) - _CAPABILITIES
        if added:
            bad.append(container["name"])
            words |= added
    what = f"{named(bad)} must not include {quoted(sorted(words))} in securityContext.capabilities.add"
    return Finding("non-default capabilities", what) if bad else None


def proc_mount(spec: Object, _notes: dict[str, str], minor: int) -> Finding | None:
    if minor >= 35 and not host_users(spec):
        return None
    bad, words = [], set()
    for container in containers(spec):
        kind = context(container).get("procMount") or "Default"
        if kind != "Default":
            bad.append(container["name"])
            words.add(kind)
    what = f"{named(bad)} must not set securityContext.procMount to {quoted(sorted(words))}"
    return Finding("procMount", what) if bad else None


def app_armor(spec: Object, notes: dict[str, str], _minor: int) -> Finding | None:
    setters, values, bad = [], set(), []
    kind = (context(spec).get("appArmorProfile") or {}).get("type")
    if kind not in {None, "RuntimeDefault", "Localhost"}:
        setters.append("pod")
        values.add(kind)
    for container in containers(spec):
        kind = (context(container).get("appArmorProfile") or {}).get("type")
        if kind not in {None, "RuntimeDefault", "Localhost"}:
            bad.append(container["name"])
            values.add(kind)
    if bad:
        setters.append(named(bad))
    wrong = sorted(
        f'{key}="{value}"'
        for key, value in notes.items()
        if key.startswith(_APPARMOR)
        and value not in {"", "runtime/default"}
        and not value.startswith("localhost/")
    )
    if wrong:
        setters.append(plural("annotation", len(wrong)))
    shown = sorted(values)
    if not shown and not wrong:
        return None
    reason = plural("forbidden AppArmor profile", len(shown) + len(wrong))
    words = ", ".join([*(f'"{value}"' for value in shown), *wrong])
    return Finding(reason, f"{' and '.join(setters)} must not set AppArmor profile type to {words}")


def selinux(spec: Object, _notes: dict[str, str], minor: int) -> Finding | None:
    setters, bad, types, user, role = [], [], set(), False, False

    def wrong(options: Object | None) -> bool:
        nonlocal user, role
        if not options:
            return False
        found = False
        kind = options.get("type") or ""
        if _SELINUX.get(kind, 99) > minor:
            types.add(kind)
            found = True
        if options.get("user"):
            user = found = True
        if options.get("role"):
            role = found = True
        return found

    if wrong(context(spec).get("seLinuxOptions")):
        setters.append("pod")
    bad += [
        container["name"] for container in containers(spec) if wrong(context(container).get("seLinuxOptions"))
    ]
    if bad:
        setters.append(named(bad))
    if not setters:
        return None
    data = [f"{plural('type', len(types))} {quoted(sorted(types))}"] if types else []
    data += ["user may not be set"] if user else []
    data += ["role may not be set"] if role else []
    what = f"{' and '.join(setters)} set forbidden securityContext.seLinuxOptions: {'; '.join(data)}"
    return Finding("seLinuxOptions", what)


def seccomp(spec: Object, _notes: dict[str, str], _minor: int) -> Finding | None:
    setters, bad, values = [], [], set()
    kind = (context(spec).get("seccompProfile") or {}).get("type")
    if kind == "Unconfined":
        setters.append("pod")
        values.add(kind)
    for container in containers(spec):
        kind = (context(container).get("seccompProfile") or {}).get("type")
        if kind == "Unconfined":
            bad.append(container["name"])
            values.add(kind)
    if bad:
        setters.append(named(bad))
    what = f"{' and '.join(setters)} must not set securityContext.seccompProfile.type to {quoted(sorted(values))}"
    return Finding("seccompProfile", what) if setters else None


def sysctls(spec: Object, _notes: dict[str, str], minor: int) -> Finding | None:
    names = [sysctl["name"] for sysctl in context(spec).get("sysctls") or ()]
    bad = [name for name in names if _SYSCTLS.get(name, 99) > minor]
    return Finding("forbidden sysctls", ", ".join(bad)) if bad else None


def host_process(spec: Object, _notes: dict[str, str], _minor: int) -> Finding | None:
    setters = ["pod"] if (context(spec).get("windowsOptions") or {}).get("hostProcess") else []
    bad = [c["name"] for c in containers(spec) if (context(c).get("windowsOptions") or {}).get("hostProcess")]
    if bad:
        setters.append(named(bad))
    what = f"{' and '.join(setters)} must not set securityContext.windowsOptions.hostProcess=true"
    return Finding("hostProcess", what) if setters else None
