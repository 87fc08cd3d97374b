"""Skill packs: instructions, the rights that they ask for, and who uses them."""

from collections import defaultdict
from typing import Any, Final

from sympozium.api.meta import SYSTEM_NAMESPACE
from sympozium.kube.resources import Object, key_of
from sympozium.server.govern.sight import Key, Sight
from sympozium.server.models.govern import Right, Skill, SkillSummary

_SKILLS: Final = "skillpacks"


async def skills(sight: Sight) -> list[SkillSummary]:
    """By name."""
    found = sorted(
        await sight.of(_SKILLS), key=lambda obj: (obj["metadata"]["name"], obj["metadata"]["namespace"])
    )
    known = {key_of(obj) for obj in sight.parts.copies[_SKILLS].list()}
    users: defaultdict[Key, list[str]] = defaultdict(list)
    for (namespace, name), instance in sorted((await sight.instances()).items()):
        for reference in instance["spec"].get("skills") or ():
            pack = reference.get("skillPackRef")
            # As a run finds it: its own namespace comes first.
            where = namespace if (namespace, pack) in known else SYSTEM_NAMESPACE
            if pack:
                users[where, pack].append(f"{namespace}/{name}")
    return [_summary(obj, users[key_of(obj)]) for obj in found]


def _summary(obj: Object, users: list[str]) -> SkillSummary:
    spec, status = obj["spec"], obj.get("status") or {}
    sidecar: dict[str, Any] = spec.get("sidecar") or {}
    rules = [(rule, False) for rule in sidecar.get("rbac") or ()]
    rules += [(rule, True) for rule in sidecar.get("clusterRBAC") or ()]
    return SkillSummary(
        namespace=obj["metadata"]["namespace"],
        name=obj["metadata"]["name"],
        description=next(
            (skill["description"] for skill in spec["skills"] if skill.get("description")), None
        ),
        category=spec.get("category"),
        version=spec.get("version"),
        phase=status.get("phase"),
        skills=[
            Skill(name=skill["name"], description=skill.get("description"), content=skill["content"])
            for skill in spec["skills"]
        ],
        sidecar=sidecar.get("image"),
        rights=[
            Right(
                api_groups=rule["apiGroups"],
                resources=rule["resources"],
                verbs=rule["verbs"],
                cluster=cluster,
            )
            for rule, cluster in rules
        ],
        used_by=users,
    )
