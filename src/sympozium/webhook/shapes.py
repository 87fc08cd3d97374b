"""What is wrong with parts of specs whatever anybody's policy says: found here, not by a pod that never starts. Pure."""

import posixpath
import re
from collections.abc import Mapping, Sequence
from typing import Final

from sympozium import durations
from sympozium.api.observability import Observability
from sympozium.api.shared import RBACRule, SkillRef
from sympozium.api.skillpack import Sidecar
from sympozium.policy import Violation, traces
from sympozium.policy.rbac import Atom
from sympozium.quantities import parse as amount

_VARIABLE: Final = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
_OURS: Final = ("LD_", "DYLD_", "PYTHON", "GLIBC_TUNABLES", "SYMPOZIUM_", "KUBERNETES_SERVICE_")
"""Variables that decide which code our own processes in the container load, or whom they talk to: through one of
them, a file that a model wrote would run although its policy lets it run nothing."""
_LONGEST: Final = durations.parse("8760h")
"""A year: tokens and deadlines of Kubernetes are counted in 32 bits, with all attempts of a run."""
_RIGHTS: Final = 1000
"""Group, resource and verb of a pack, multiplied out."""
_FILES: Final = ("/run/sympozium", "/etc/sympozium", "/var/run/secrets")
_TAKEN: Final = (*_FILES, "/proc", "/sys", "/dev")


def environment(variables: Mapping[str, str], path: str) -> list[Violation]:
    """Names that no container takes, and those that belong to the container's own processes."""
    found = []
    for name in variables:
        if not _VARIABLE.fullmatch(name):
            found.append(
                Violation(
                    f"{path}[{name}]", "is no name of a variable: letters, digits, '_', '-' and '.' make one"
                )
            )
        elif name.startswith(_OURS):
            found.append(
                Violation(
                    f"{path}[{name}]",
                    "decides what the container's own processes load, or whom they talk to: set it in the command that needs it",
                )
            )
    return found


def timeout(text: str | None, path: str) -> list[Violation]:
    """A time that is none, or longer than Kubernetes counts."""
    if text is None or 0 < durations.parse(text) <= _LONGEST:
        return []
    return [Violation(path, f"{text}: must be more than 0 and at most 8760h")]


def observability(wanted: Observability | None, path: str) -> list[Violation]:
    """What of it cannot be done."""
    return [Violation(*wrong) for wrong in traces.contradictions(wanted, path)] if wanted else []


def cooldown(text: str, path: str) -> list[Violation]:
    """Longer than Kubernetes counts; 0 is none."""
    if 0 <= durations.parse(text) <= _LONGEST:
        return []
    return [Violation(path, f"{text}: must be at most 8760h")]


def skills(references: Sequence[SkillRef], path: str) -> list[Violation]:
    """A skill that is listed twice, and parameters that would be the same variable."""
    found = []
    first: dict[tuple[str | None, str | None], int] = {}
    for index, reference in enumerate(references):
        key = (reference.skill_pack_ref, reference.config_map_ref)
        if (before := first.setdefault(key, index)) != index:
            field = "skillPackRef" if reference.skill_pack_ref else "configMapRef"
            found.append(Violation(f"{path}[{index}].{field}", f"is {path}[{before}] already"))
        found += parameters(reference.params, f"{path}[{index}].params")
    return found


def parameters(values: Mapping[str, str], path: str) -> list[Violation]:
    """`a-b` and `a_b` are both `SKILL_A_B`; one of them would be lost."""
    taken: dict[str, str] = {}
    found = []
    for name in values:
        variable = "".join(c if c.isascii() and c.isalnum() else "_" for c in name).upper()
        if (other := taken.setdefault(variable, name)) != name:
            found.append(Violation(f"{path}[{name}]", f"is SKILL_{variable}, as {other} is: rename one"))
    return found


def sidecar(box: Sidecar, path: str = "spec.sidecar") -> list[Violation]:
    """Amounts, paths and rules of a skill's container."""
    found = []
    resources = [("cpu", box.resources.cpu), ("memory", box.resources.memory)] if box.resources else []
    found += [
        Violation(f"{path}.resources.{field}", f"{quantity} must be more than 0")
        for field, quantity in resources
        if quantity and amount(quantity) <= 0
    ]
    mount = (box.secret_mount_path or "").rstrip("/")
    if box.secret_mount_path and (not mount or ".." in mount.split("/") or _is_taken(mount)):
        found.append(
            Violation(
                f"{path}.secretMountPath",
                f"{box.secret_mount_path} is where the container has files of its own: /secrets/<name> is free",
            )
        )
    found += _host_mounts(box, f"{path}.hostAccess.mounts")
    found += rules(box.rbac, f"{path}.rbac") + rules(box.cluster_rbac, f"{path}.clusterRBAC")
    if len(atoms([*box.rbac, *box.cluster_rbac], most=_RIGHTS)) > _RIGHTS:
        found.append(
            Violation(f"{path}.rbac", f"more than {_RIGHTS} rights: name the few that the skill needs")
        )
    return found


def _host_mounts(box: Sidecar, path: str) -> list[Violation]:
    """Directories of the node: where they come from, and where they go to, once each."""
    found, seen = [], set[str]()
    for index, mount in enumerate(box.host_access.mounts if box.host_access else ()):
        place = mount.mount_path.rstrip("/")
        for field, text in (("hostPath", mount.host_path), ("mountPath", mount.mount_path)):
            if ".." in text.split("/"):
                found.append(Violation(f"{path}[{index}].{field}", f"{text}: say the path without '..'"))
        if not place or _is_taken(place, (*_FILES, "/workspace")) or place in seen:
            words = f"{mount.mount_path} is where the container has files already: /host<path> is free"
            found.append(Violation(f"{path}[{index}].mountPath", words))
        seen.add(place)
    return found


def rules(given: Sequence[RBACRule], path: str) -> list[Violation]:
    """Rules that no Role takes, and rights by which a run would become somebody else.

    Who is somebody else at will can answer their own questions: no policy can grant that.
    """
    found = []
    for index, rule in enumerate(given):
        at = f"{path}[{index}]"
        found += [
            Violation(f"{at}.{field}", "names nothing: a rule needs groups, resources and verbs")
            for field, values in (
                ("apiGroups", rule.api_groups), ("resources", rule.resources), ("verbs", rule.verbs),
            )
            if not values
        ]  # fmt: skip
        if "impersonate" in rule.verbs:
            found.append(Violation(f"{at}.verbs", "impersonate: no skill may act as somebody else"))
        if "serviceaccounts/token" in rule.resources:
            found.append(
                Violation(f"{at}.resources", "serviceaccounts/token: no skill may mint tokens of others")
            )
    return found


def atoms(given: Sequence[RBACRule], *, most: int) -> list[Atom]:
    """Rules multiplied out, each right once; `most` + 1 of them where there are more."""
    found: dict[Atom, None] = {}
    for rule in given:
        for group in rule.api_groups:
            for resource in rule.resources:
                for verb in rule.verbs:
                    found[Atom(group, resource, verb)] = None
                    if len(found) > most:
                        return list(found)
    return list(found)


def _is_taken(path: str, places: Sequence[str] = _TAKEN) -> bool:
    path = "/" + posixpath.normpath(path).lstrip("/")  # //run/./sympozium is /run/sympozium
    return any(f"{path}/".startswith(f"{taken}/") or f"{taken}/".startswith(f"{path}/") for taken in places)
