"""What an installation needs, looked at one by one, with the cure for what is not well.

Each check is a function that returns a Finding; one that fails to look is a finding too, and the others go on.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Final

from sympozium.actions.doctor import admission, bus, cluster, installation, model, network, nodes, security
from sympozium.actions.doctor.finding import Check as Check, Finding as Finding
from sympozium.actions.doctor.network import last_probe as last_probe
from sympozium.kube import Client, ForbiddenError, KubeError

NETWORK: Final = "network policies"
MODEL: Final = "model"
STARTS_PODS: Final = frozenset({"model from a pod", NETWORK})
"""The checks that start pods, and may take a minute each."""

CHECKS: Final[tuple[Check, ...]] = (
    ("API server", cluster.versions),
    ("clock", cluster.clock),
    ("installation", installation.place),
    ("custom resources", installation.crds),
    ("webhook", admission.webhook),
    ("controller", installation.leader),
    ("workloads", cluster.workloads),
    ("bus", bus.reachable),
    ("bus storage", bus.durable),
    ("storage", cluster.storage),
    ("catalogue", installation.catalogue),
    ("runs", installation.stopped),
    ("nodes", installation.nodes),
    ("pod security", security.levels),
    ("permissions", security.permissions),
    ("model servers on nodes", nodes.model_servers),
    (MODEL, model.from_here),
    ("model from a pod", model.from_pod),
    (NETWORK, network.enforced),
)


async def examine(
    client: Client, namespace: str, checks: Sequence[Check] = CHECKS
) -> AsyncIterator[tuple[str, Finding]]:
    """The name and the finding of each check, as they come."""
    for name, check in checks:
        try:
            if finding := await check(client, namespace):
                yield name, finding
        except ForbiddenError as error:
            yield name, Finding(None, str(error), "ask somebody who may look there")
        except KubeError as error:
            yield (
                name,
                Finding(False, str(error), "see that the API server answers"),
            )
