"""Which Secrets a run gets from its instance, and whether it takes them to an endpoint of its own.

Admission asks whoever chooses an endpoint about the Secrets that go there. The run may start much later, when its instance has
others, so what it was asked about is written into the run, and holds when it is planned.
"""

from typing import Final

from sympozium.api.config import ConfigSpec
from sympozium.api.instance import SympoziumInstance
from sympozium.api.run import AgentRun, ModelSpec

ANNOTATION: Final = "sympozium.ai/secrets"
"""Of an AgentRun, by the webhook: names of the Secrets that it was admitted with, `a,b`."""


def inherited(instance: SympoziumInstance, config: ConfigSpec) -> list[str]:
    """The Secrets that runs get without naming them."""
    return [reference.secret for reference in instance.spec.auth_refs or config.auth_refs]


def annotation(instance: SympoziumInstance, config: ConfigSpec) -> str:
    return ",".join(sorted(set(inherited(instance, config))))


def chosen(model: ModelSpec | None, instance: SympoziumInstance, config: ConfigSpec) -> list[str]:
    """The fields by which a run itself says where its Secrets go."""
    if model is None:
        return []
    own = model.base_url not in (None, instance.spec.agents.default.base_url, config.base_url)
    fields = (("spec.model.authSecretRef", bool(model.auth_secret_ref)), ("spec.model.baseURL", own))
    return [field for field, yes in fields if yes]


def unasked(run: AgentRun, instance: SympoziumInstance, config: ConfigSpec) -> str | None:
    """Why a run may not start with the Secrets that its instance has now, in words."""
    asked = run.metadata.annotations.get(ANNOTATION, "").split(",")
    more = [name for name in inherited(instance, config) if name not in asked]
    fields = chosen(run.spec.model, instance, config)
    if not fields or not more:
        return None
    return (
        f"{' and '.join(fields)}: was chosen when instance {instance.name} did not give {', '.join(more)} to its runs: "
        "create the run anew"
    )
