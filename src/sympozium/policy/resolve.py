"""Which objects a run is made of: the names of its policies and packs, and where they are looked for.

Pure: callers look the objects up (in an informer, or with a request) and hand over a function that finds them.
A policy and a skill pack are looked for in the namespace of the run, then in the system namespace. The default
and the floor policy are the administrator's: they are looked for in the system namespace alone, so that nobody
puts another policy in front of them.
"""

from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from sympozium.api.config import ConfigSpec
from sympozium.api.instance import SympoziumInstance
from sympozium.api.meta import SYSTEM_NAMESPACE
from sympozium.api.policy import SympoziumPolicy
from sympozium.api.shared import Parent, PolicyKey, SkillRef
from sympozium.api.skillpack import SkillPack
from sympozium.policy.effective import Effective

T = TypeVar("T")
Key = tuple[str, str]
"""(namespace, name)."""

RESERVED_POLICIES: Final = frozenset({"default-policy", "restrictive-policy"})
"""Names of the built-in policies: only the system namespace may use them."""


class MissingReferenceError(Exception):
    """Something that a run needs is not there. `field` is the field of the instance or the config that names it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


def policy_keys(instance: SympoziumInstance, config: ConfigSpec) -> list[Key]:
    """Where the policy of an instance may be, the first that exists counts."""
    name = instance.spec.policy_ref
    if name is None:
        return [(SYSTEM_NAMESPACE, config.default_policy_ref)]
    return lookup(instance.namespace, name)


def floor_key(config: ConfigSpec) -> Key | None:
    return (SYSTEM_NAMESPACE, config.floor_policy_ref) if config.floor_policy_ref else None


def lookup(namespace: str, name: str) -> list[Key]:
    """Where a policy or skill pack of that name may be: the namespace itself, then the system namespace."""
    return list(dict.fromkeys([(namespace, name), (SYSTEM_NAMESPACE, name)]))


def effective(
    instance: SympoziumInstance,
    config: ConfigSpec,
    find: Callable[[Key], SympoziumPolicy | None],
    *,
    parent: Parent | None = None,
) -> Effective:
    """The policy that holds for runs of an instance, or with `parent` for a run that another one started.

    Raises MissingReferenceError: a run without a policy that was meant for it must not exist.
    """
    policy, floor, above = _policies(instance, config, find, parent)
    return Effective.of(policy, floor=floor, parents=above)


def handed_down(
    instance: SympoziumInstance,
    config: ConfigSpec,
    find: Callable[[Key], SympoziumPolicy | None],
    *,
    parent: Parent | None = None,
) -> list[PolicyKey]:
    """The policies of a run that hold for all runs beneath it: what becomes `spec.parent.policies` of its children.

    The floor is not among them for being the floor: it holds for every run in any case, and may be another one
    tomorrow. What held for a run above stays, also while it is the floor.
    """
    policy, _, _ = _policies(instance, config, find, parent)
    own = PolicyKey(namespace=policy.namespace, name=policy.name)
    return [own, *(key for key in _each_once(parent.policies if parent else ()) if key != own)]


def _policies(
    instance: SympoziumInstance,
    config: ConfigSpec,
    find: Callable[[Key], SympoziumPolicy | None],
    parent: Parent | None,
) -> tuple[SympoziumPolicy, SympoziumPolicy | None, list[SympoziumPolicy]]:
    """(the instance's, the floor, those of the runs above that are neither)."""
    keys = policy_keys(instance, config)
    policy = _first(keys, find)
    if policy is None:
        field = (
            "spec.policyRef" if instance.spec.policy_ref else "SympoziumConfig default: spec.defaultPolicyRef"
        )
        raise MissingReferenceError(field, f"SympoziumPolicy {keys[0][1]} is not in {_namespaces(keys)}")
    key = floor_key(config)
    floor = find(key) if key else None
    if key and floor is None:
        raise MissingReferenceError(
            "SympoziumConfig default: spec.floorPolicyRef", f"SympoziumPolicy {key[1]} is not in {key[0]}"
        )
    held = {(one.namespace, one.name) for one in (policy, floor) if one is not None}
    above = []
    for index, reference in enumerate(parent.policies if parent else ()):
        found = find((reference.namespace, reference.name))
        if found is None:
            raise MissingReferenceError(
                f"spec.parent.policies[{index}]",
                f"SympoziumPolicy {reference.name} is not in {reference.namespace}: it holds for this run because it holds for the one that started it",
            )
        if (reference.namespace, reference.name) not in held:
            held.add((reference.namespace, reference.name))
            above.append(found)
    return policy, floor, above


def skill_packs(
    namespace: str, skills: Iterable[SkillRef], find: Callable[[Key], SkillPack | None]
) -> dict[str, SkillPack]:
    """The packs of a run by name. Raises MissingReferenceError with the index of the skill."""
    found = {}
    for index, skill in enumerate(skills):
        if skill.skill_pack_ref is None:
            continue
        keys = lookup(namespace, skill.skill_pack_ref)
        pack = _first(keys, find)
        if pack is None:
            raise MissingReferenceError(
                f"spec.skills[{index}].skillPackRef",
                f"SkillPack {skill.skill_pack_ref} is not in {_namespaces(keys)}",
            )
        found[skill.skill_pack_ref] = pack
    return found


def _each_once(keys: Iterable[PolicyKey]) -> list[PolicyKey]:
    return list({(key.namespace, key.name): key for key in keys}.values())


def _first(keys: Iterable[Key], find: Callable[[Key], T | None]) -> T | None:
    return next((found for key in keys if (found := find(key)) is not None), None)


def _namespaces(keys: Iterable[Key]) -> str:
    return " or ".join(namespace for namespace, _ in keys)
