"""Who is who among the users of the API: the controllers, the identities of runs, programs, people.

Names alone prove nothing: a ServiceAccount of a run is known by what the controllers wrote into it, its label and
its owner, whatever it is called and however its token was come by.
"""

from typing import Final

from sympozium.api.base import Object
from sympozium.api.endpoint import APISERVER
from sympozium.api.meta import LABEL_RUN, LABEL_SCHEDULE, LABEL_TRIGGER, SYSTEM_NAMESPACE
from sympozium.api.run import Trigger
from sympozium.kube.client import Client
from sympozium.kube.resources import SERVICE_ACCOUNTS
from sympozium.webhook.review import User

CONTROLLER: Final = f"system:serviceaccount:{SYSTEM_NAMESPACE}:sympozium-controller"
_SERVICE_ACCOUNTS: Final = "system:serviceaccounts"
WEBHOOK: Final = f"system:serviceaccount:{SYSTEM_NAMESPACE}:sympozium-webhook"


def is_controller(user: User) -> bool:
    return user.name == CONTROLLER


def is_apiserver(user: User) -> bool:
    """The API server as itself: for people it acts with their own credentials."""
    return user.name == APISERVER


def trigger(user: User, run: Object) -> Trigger:
    """What caused a run, by who creates it. Only the controllers are believed about a schedule or an agent.

    The API server is believed about a trigger, whose requests it takes; `endpoints` looks which.
    """
    labels = (run.get("metadata") or {}).get("labels") or {}
    schedule = labels.get(LABEL_SCHEDULE)
    if is_controller(user) and schedule:
        return Trigger(kind="Schedule", name=schedule, user=user.name)
    event = labels.get(LABEL_TRIGGER)
    if (is_controller(user) or is_apiserver(user)) and event:
        return Trigger(kind="Trigger", name=event, user=user.name)
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


async def why_it_cannot_decide(user: User, client: Client) -> str | None:
    """Why a user is none who may answer for a run, in words; None when nothing speaks against them.

    Kubernetes' RBAC has said already that they may; this names those for whom that must be a mistake.
    """
    if user.name.startswith("system:node:") or "system:nodes" in user.groups:
        return f"{user.name} is the identity of a node, which runs the pods of runs"
    if user.name == "system:anonymous" or "system:unauthenticated" in user.groups:
        return "nobody is logged in: a decision needs a name"
    if user.name == WEBHOOK:
        return f"{user.name} is the identity of this webhook"
    account = user.service_account
    if account is None:
        if _SERVICE_ACCOUNTS in user.groups:
            return f"{user.name} has the groups of a ServiceAccount and not its name"
        return None
    found = await client.find(SERVICE_ACCOUNTS, account[1], account[0])
    if found is None:
        return f"ServiceAccount {account[1]} is not in namespace {account[0]}, so nobody can say whose it is"
    if _is_of_a_run(found):
        return f"{user.name} is the identity of a run: a person decides, not a run"
    return None


async def is_of_a_run(user: User, client: Client) -> bool:
    """Whether a user is the identity of a run, or a ServiceAccount of which nobody can say whose it is."""
    if user.service_account is None:
        return _SERVICE_ACCOUNTS in user.groups
    namespace, name = user.service_account
    found = await client.find(SERVICE_ACCOUNTS, name, namespace)
    return found is None or _is_of_a_run(found)


def _is_of_a_run(account: Object) -> bool:
    meta = account["metadata"]
    owners = meta.get("ownerReferences") or ()
    return LABEL_RUN in (meta.get("labels") or {}) or any(owner["kind"] == "AgentRun" for owner in owners)
