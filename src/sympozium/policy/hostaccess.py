"""Access of skill packs to the node: what a pack asks for, and the level of Pod Security that lets its pods in.

https://kubernetes.io/docs/concepts/security/pod-security-standards/
"""

from collections.abc import Iterable, Mapping
from typing import Final

from sympozium.api.skillpack import HostAccess, SkillPack

ENFORCE: Final = "pod-security.kubernetes.io/enforce"
_LEVELS: Final = ("restricted", "baseline", "privileged")


def of(pack: SkillPack) -> HostAccess | None:
    """What a pack asks for; None when that is nothing."""
    access = pack.spec.sidecar.host_access if pack.spec.sidecar else None
    return access if access and access.enabled and asked(access) else None


def asked(access: HostAccess) -> list[str]:
    """In the words of the fields of a pod."""
    flags = {
        "hostPID": access.host_pid,
        "hostNetwork": access.host_network,
        "privileged": access.privileged,
        "user 0": access.run_as_root,
    }
    return [word for word, on in flags.items() if on] + [f"hostPath {m.host_path}" for m in access.mounts]


def level(access: HostAccess) -> str:
    """The strictest level of Pod Security that lets it in: root alone is in the baseline."""
    return "baseline" if asked(access) == ["user 0"] else "privileged"


def refused(namespace: str, labels: Mapping[str, str], packs: Iterable[SkillPack]) -> str:
    """Why pods with these packs will not be let into a namespace, and the cure; empty when its labels do not say so.

    Without a label the API server's own default holds, which nobody can read: a dry run tells.
    """
    wanted = [(pack, access) for pack in packs if (access := of(pack))]
    enforced = labels.get(ENFORCE)
    if enforced not in _LEVELS:
        return ""
    bad = [pair for pair in wanted if _LEVELS.index(level(pair[1])) > _LEVELS.index(enforced)]
    if not bad:
        return ""
    who = "; ".join(f"skill pack {pack.name} wants {', '.join(asked(access))}" for pack, access in bad)
    return f"{who}, and namespace {namespace} enforces Pod Security level {enforced}: {cure(namespace, bad[0][1])}"


def cure(namespace: str, access: HostAccess) -> str:
    """What to do about it."""
    return (
        f"`kubectl label namespace {namespace} {ENFORCE}={level(access)} --overwrite`, "
        "or put the agent into a namespace of its own that has this label"
    )
