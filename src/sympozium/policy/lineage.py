"""What a run hands down to what it starts. Authority only narrows on the way.

    policies       the policy that the run's instance has now, and those that the runs above handed down
    toolPolicies   the run's own, its instance's, and those that the runs above handed down
    spawnDepth     one more than the run's own

Pure. The keys name policies where they were found, so that nobody can put another one of that name in front.
"""

from collections.abc import Callable, Iterable

from sympozium.api.config import ConfigSpec
from sympozium.api.instance import SympoziumInstance
from sympozium.api.policy import SympoziumPolicy
from sympozium.api.run import AgentRun
from sympozium.api.shared import Parent, ToolPolicy
from sympozium.policy import resolve
from sympozium.policy.admit import tool_policies


def handed_down(
    run: AgentRun,
    instance: SympoziumInstance,
    config: ConfigSpec,
    find: Callable[[resolve.Key], SympoziumPolicy | None],
) -> Parent:
    """The `parent` of a run that `run` starts; `instance` is that of `run`. Raises MissingReferenceError."""
    above = run.spec.parent
    return Parent(
        run_name=run.name,
        session_key=run.spec.session_key or "",
        spawn_depth=(above.spawn_depth if above else 0) + 1,
        policies=resolve.handed_down(instance, config, find, parent=above),
        tool_policies=_each_once(tool_policies(run, instance)),
    )


def _each_once(items: Iterable[ToolPolicy]) -> list[ToolPolicy]:
    found: list[ToolPolicy] = []
    for item in items:
        if item not in found:
            found.append(item)
    return found
