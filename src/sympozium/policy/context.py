"""What the `when` of a rule sees as `run`: the same on every side, made from the run as it was admitted.

run.namespace, run.name, run.instance, run.depth     text, text, text, levels above (0 for a run that nobody spawned)
run.trigger.kind, run.trigger.name, run.trigger.user text, empty where there is none
run.labels                                           map of text
"""

from typing import Any

from sympozium.api.run import AgentRun


def of_run(run: AgentRun) -> dict[str, Any]:
    """Every key is there for every run, so that an expression need not ask with `has`."""
    trigger = run.spec.trigger
    return {
        "namespace": run.namespace,
        "name": run.name,
        "instance": run.spec.instance_ref,
        "depth": run.spec.parent.spawn_depth if run.spec.parent else 0,
        "trigger": {
            "kind": trigger.kind if trigger else "",
            "name": (trigger.name if trigger else None) or "",
            "user": (trigger.user if trigger else None) or "",
        },
        "labels": dict(run.metadata.labels),
    }
