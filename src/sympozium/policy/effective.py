"""The policy that holds for a run: layers, all of which must consent, but for those that only watch.

A run is under its instance's policy, the installation's floor, and those of its parents. We do not merge them
into one spec: first-match rule lists have no intersection that people could read. Each decision asks every layer
and takes the strictest answer, which is the intersection, exactly, and can name the layer that refused.

A layer under `enforcement: Audit` refuses nothing: decisions ask `enforced`. What it would have said comes from the
same functions: of `audited`, or, for what is no list of refusals, of the policy `as_enforced`.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

from sympozium import durations
from sympozium.api.policy import PolicySpec, SympoziumPolicy
from sympozium.api.runconfig import PolicyFile, PolicyLayer
from sympozium.policy.rules import LayerRules
from sympozium.policy.tools import FEATURE_GATES, GATE_OF, target_of

DEFAULT_APPROVAL_TIMEOUT = durations.parse("1h")


@dataclass(frozen=True)
class Effective:
    """Layers of policy, the instance's first."""

    layers: tuple[PolicyLayer, ...]

    def __post_init__(self) -> None:
        assert self.layers, "a run without a policy must not exist: use the installation's default policy"

    @classmethod
    def of(
        cls,
        policy: SympoziumPolicy,
        *,
        floor: SympoziumPolicy | None = None,
        parents: Sequence[SympoziumPolicy] = (),
    ) -> Self:
        """The policy of an instance under a floor and under the policies of parent runs."""
        layers = [_layer(policy, "instance")]
        if floor is not None:
            layers.append(_layer(floor, "floor"))
        layers += [_layer(parent, "parent") for parent in parents]
        return cls(tuple(layers))

    @classmethod
    def from_file(cls, file: PolicyFile) -> Self:
        """The policy that the controller wrote into `tools.json`."""
        return cls(tuple(file.layers))

    def to_file(self) -> PolicyFile:
        return PolicyFile(
            name=self.name, generation=self.generation, digest=self.digest, layers=list(self.layers)
        )

    @property
    def name(self) -> str:
        """Of the instance's policy."""
        return self.layers[0].name

    @property
    def generation(self) -> int:
        """Of the instance's policy."""
        return self.layers[0].generation

    @property
    def digest(self) -> str:
        """`sha256:` over the content of all layers: equal exactly when the same rules hold."""
        # With defaults: a policy means the same whether somebody wrote them out or not.
        specs = (layer.spec.model_dump(mode="json", by_alias=True) for layer in self.layers)
        content = [[layer.name, layer.source, spec] for layer, spec in zip(self.layers, specs, strict=True)]
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"

    def __iter__(self) -> Iterator[PolicyLayer]:
        return iter(self.layers)

    @cached_property
    def enforced(self) -> tuple[PolicyLayer, ...]:
        """The layers that bind. There may be none."""
        return tuple(layer for layer in self.layers if layer.spec.enforcement == "Enforce")

    @cached_property
    def audited(self) -> tuple[PolicyLayer, ...]:
        """The layers that only watch."""
        return tuple(layer for layer in self.layers if layer.spec.enforcement == "Audit")

    @cached_property
    def as_enforced(self) -> "Effective":
        """The same policy with its watching layers enforced: for saying what they would have restricted."""
        if not self.audited:
            return self
        return Effective(tuple(_enforced(layer) for layer in self.layers))

    @cached_property
    def rules(self) -> tuple[LayerRules, ...]:
        """The compiled tool rules of every layer."""
        return tuple(LayerRules(layer) for layer in self.layers)

    @cached_property
    def enforced_rules(self) -> tuple[LayerRules, ...]:
        """Those of the layers that bind."""
        return tuple(rules for rules in self.rules if not rules.audit)

    @cached_property
    def audited_rules(self) -> tuple[LayerRules, ...]:
        """Those of the layers that only watch."""
        return tuple(rules for rules in self.rules if rules.audit)

    @cached_property
    def open_tools(self) -> tuple[str, ...]:
        """Built-in tools that no layer that binds denies where they execute, whatever their arguments."""
        return tuple(
            tool
            for tool in GATE_OF
            if all(rules.certain(tool, target_of(tool)) != "deny" for rules in self.enforced_rules)
        )

    @property
    def approval_timeout(self) -> float:
        """Seconds that a call waits for a person: the shortest of all layers that bind."""
        waits = [
            durations.parse(layer.spec.approvals.timeout) for layer in self.enforced if layer.spec.approvals
        ]
        return min(waits, default=DEFAULT_APPROVAL_TIMEOUT)


def unknown_gates(spec: PolicySpec) -> list[str]:
    """Names in `featureGates` that no tool knows."""
    return sorted(set(spec.feature_gates) - FEATURE_GATES)


def _layer(policy: SympoziumPolicy, source: str) -> PolicyLayer:
    return PolicyLayer.model_validate(
        {
            "name": policy.name,
            "generation": policy.metadata.generation,
            "source": source,
            "spec": policy.spec,
        }
    )


def _enforced(layer: PolicyLayer) -> PolicyLayer:
    return layer.model_copy(update={"spec": layer.spec.model_copy(update={"enforcement": "Enforce"})})
