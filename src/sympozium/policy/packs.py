"""What a policy says of a skill pack: its image, its access to the node, the Kubernetes rights that it asks for.

An image or an access that is not allowed refuses runs with the pack. Rights that are not granted do not: the pack
gets the rest, and what was cut is said (`rbac.grant`).
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from sympozium.api.runconfig import PolicyLayer
from sympozium.api.skillpack import SkillPack
from sympozium.policy import hostaccess, images, rbac, sandbox
from sympozium.policy.effective import Effective
from sympozium.policy.verdict import Violation

CUT_FIELDS: Final = frozenset({"spec.sidecar.rbac", "spec.sidecar.clusterRBAC"})
"""Fields of violations that cut rights; all others refuse the pack."""


def judge_pack(pack: SkillPack, policy: Effective) -> list[Violation]:
    """What a policy has against a pack. Those with a field in CUT_FIELDS take something away, the others refuse it."""
    watched = [replace(found, audit=True) for found in refusals(pack, policy.audited)]
    return [*refusals(pack, policy.enforced), *_cuts(pack, policy), *watched]


def refusals(pack: SkillPack, layers: Sequence[PolicyLayer]) -> list[Violation]:
    """Why layers refuse runs with a pack."""
    sidecar = pack.spec.sidecar
    if sidecar is None:
        return []
    found = image_refusals("spec.sidecar.image", sidecar.image, layers)
    if sidecar.host_access and sidecar.host_access.enabled:
        found += [
            Violation(
                "spec.sidecar.hostAccess",
                f"skill pack {pack.name} wants access to the node, which policy {name} does not allow (sandboxPolicy.allowHostMounts)",
                rule=f"{name}: sandboxPolicy.allowHostMounts",
                instead="a skill pack without hostAccess",
            )
            for name in sandbox.host_mounts_refused_by(layers)
        ]
    if (access := hostaccess.of(pack)) and access.host_network:
        found += [
            Violation(
                "spec.sidecar.hostAccess.hostNetwork",
                f"skill pack {pack.name} wants the node's network, where policy {layer.name} could not keep it closed (networkPolicy.denyAll)",
                rule=f"{layer.name}: networkPolicy.denyAll",
                instead="a skill pack without hostNetwork",
            )
            for layer in layers
            if layer.spec.network_policy and layer.spec.network_policy.deny_all
        ]
    return found


def image_refusals(field: str, image: str, layers: Sequence[PolicyLayer]) -> list[Violation]:
    """Why layers do not allow an image."""
    return [
        Violation(
            field,
            f"image {image} is in no registry that policy {name} allows (imagePolicy)",
            rule=f"{name}: imagePolicy.allowedRegistries",
            instead=f"an image of {', '.join(allowed)}",
        )
        for name, allowed in images.refusing(image, layers)
    ]


def _cuts(pack: SkillPack, policy: Effective) -> list[Violation]:
    sidecar = pack.spec.sidecar
    found = []
    for field, rules in (("rbac", sidecar.rbac), ("clusterRBAC", sidecar.cluster_rbac)) if sidecar else ():
        cut = rbac.grant(rules, policy).cut
        gone = {one.atom for one in cut}
        watched = [one for one in rbac.grant(rules, policy.as_enforced).cut if one.atom not in gone]
        found += [
            Violation(f"spec.sidecar.{field}", f"{pack.name} may not {one}", rule=one.rule, audit=audit)
            for audit, cuts in ((False, cut), (True, watched))
            for one in cuts
        ]
    return found
