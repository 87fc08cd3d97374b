"""Who is who among the users of the API: the controllers, the identities of runs, programs, people."""

import re
from typing import Final

from sympozium.api.base import Object
from sympozium.api.meta import LABEL_SCHEDULE, SYSTEM_NAMESPACE
from sympozium.api.run import Trigger
from sympozium.webhook.review import User

CONTROLLER: Final = f"system:serviceaccount:{SYSTEM_NAMESPACE}:sympozium-controller"
_SKILL: Final = "-skill-"
_SHORTENED: Final = re.compile(r"-[0-9a-f]{10}$")
_SHORTENED_LENGTH: Final = 50


def is_controller(user: User) -> bool:
    return user.name == CONTROLLER


def trigger(user: User, run: Object) -> Trigger:
    """What caused a run, by who creates it. Only the controllers are believed about a schedule or an agent."""
    schedule = (run.get("metadata", {}).get("labels") or {}).get(LABEL_SCHEDULE)
    if is_controller(user) and schedule:
        return Trigger(kind="Schedule", name=schedule, user=user.name)
    if is_controller(user) and (parent := parent_name(run)):
        return Trigger(kind="Agent", name=parent, user=user.name)
    if user.service_account or user.name.startswith("system:node:"):
        return Trigger(kind="API", user=user.name)
    return Trigger(kind="Manual", user=user.name)


def parent_name(run: Object) -> str | None:
    """The run that a run says it was started by."""
    spec = run.get("spec")
    parent = spec.get("parent") if isinstance(spec, dict) else None
    name = parent.get("runName") if isinstance(parent, dict) else None
    return name if isinstance(name, str) else None


def possible_runs(user: User) -> list[tuple[str, str]]:
    """(namespace, name) of the runs whose identity a user could be, by the names of their ServiceAccounts.

    A run `R` has the ServiceAccounts `R` and `R-skill-<name>`; `is_shortened` tells of those that were too long.
    """
    account = user.service_account
    if account is None:
        return []
    namespace, name = account
    parts = name.split(_SKILL)
    prefixes = [_SKILL.join(parts[:count]) for count in range(len(parts), 0, -1)]
    return [(namespace, prefix) for prefix in prefixes if prefix]


def is_shortened(user: User) -> bool:
    """Whether the name of a ServiceAccount is one that `names.derive` had to cut: it belongs to some run."""
    account = user.service_account
    return (
        account is not None and len(account[1]) >= _SHORTENED_LENGTH and bool(_SHORTENED.search(account[1]))
    )
