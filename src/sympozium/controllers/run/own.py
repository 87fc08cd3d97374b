"""What a run owns is written and taken away; what merely has the same name is somebody else's.

Names of a run's objects derive from the run, and whoever creates it chooses that. Without this a run that is called like a
team's NetworkPolicy, ServiceAccount or Job would overwrite it, and delete it at its end, with the rights of the controllers.
Owner references are the proof: the controllers write them, and who may forge one on an object may delete it too.
"""

from sympozium.api.base import Object
from sympozium.api.meta import GROUP
from sympozium.api.run import AgentRun
from sympozium.controllers.run.plan import PlanError
from sympozium.kube import Client, Resource


def is_of(obj: Object, run: AgentRun) -> bool:
    """Whether an object is a run's, or was left by an earlier run of its name, of which there is none any more."""
    return any(
        owner["kind"] == "AgentRun" and owner["name"] == run.name and owner["apiVersion"].startswith(f"{GROUP}/")
        for owner in obj["metadata"].get("ownerReferences") or ()
    )  # fmt: skip


async def apply(client: Client, resource: Resource, obj: Object, run: AgentRun) -> Object:
    """Server-side apply of an object that a run is to own. Raises PlanError where one of that name is not the run's.

    Cluster-scoped objects have no owner: their names have the run's uid in them, and nobody else writes such.
    """
    meta = obj["metadata"]
    if meta.get("namespace"):
        there = await client.find(resource, meta["name"], meta["namespace"])
        if there is not None and not is_of(there, run):
            raise foreign(resource.kind, meta["name"])
    return await client.apply(resource, obj)


async def remove(client: Client, resource: Resource, name: str, run: AgentRun) -> None:
    """Delete a run's object in its namespace, if it is there and is the run's."""
    there = await client.find(resource, name, run.namespace)
    if there is not None and is_of(there, run):
        await client.delete(resource, name, run.namespace, uid=there["metadata"]["uid"])


def foreign(kind: str, name: str) -> PlanError:
    """Why a run cannot have an object that it needs."""
    return PlanError(f"{kind} {name} is there and is not this run's: rename the run")
