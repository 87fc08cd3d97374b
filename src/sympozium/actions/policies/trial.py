"""What policies say of one call that nobody has made: the verdict, and what each layer alone says."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sympozium.api.shared import ToolPolicy
from sympozium.policy import Call, Effective, Verdict, gate

_PLACE: Final = re.compile(r"toolGating\.rules\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class Layer:
    """One policy's answer. `index` is that of the rule of its toolGating that decided; None for a default or a gate."""

    policy: str
    source: str
    """`instance`, `floor` or `parent`: why it holds."""
    index: int | None
    verdict: Verdict
    watches: bool
    """Its enforcement is Audit: it refuses nothing, and this is what it would say."""


@dataclass(frozen=True, slots=True)
class Trial:
    verdict: Verdict
    layers: list[Layer]


def attempt(call: Call, policy: Effective, narrowing: Sequence[ToolPolicy] = ()) -> Trial:
    """`narrowing` are the toolPolicies of the instance, the run and those above it."""
    return Trial(gate(call, policy, narrowing), [_layer(call, Effective((layer,))) for layer in policy])


def _layer(call: Call, alone: Effective) -> Layer:
    (layer,) = alone
    verdict = gate(call, alone.as_enforced)
    place = _PLACE.search(verdict.rule)
    watches = layer.spec.enforcement == "Audit"
    return Layer(layer.name, layer.source, int(place[1]) if place else None, verdict, watches)
