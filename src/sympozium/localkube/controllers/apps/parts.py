"""All controllers of apps/v1 over shared caches."""

from collections import Counter
from collections.abc import Awaitable, Callable

from sympozium.localkube.controllers.api import Client
from sympozium.localkube.controllers.apps import daemonset, deployment, replicaset, statefulset
from sympozium.localkube.controllers.apps.children import Children
from sympozium.localkube.controllers.apps.daemonset import DaemonSetController
from sympozium.localkube.controllers.apps.deployment import DeploymentController
from sympozium.localkube.controllers.apps.replicaset import ReplicaSetController
from sympozium.localkube.controllers.apps.statefulset import StatefulSetController
from sympozium.localkube.controllers.informer import Informer

APPS = "apps/v1"
CACHES = {
    "deployments": APPS,
    "replicasets": APPS,
    "statefulsets": APPS,
    "daemonsets": APPS,
    "controllerrevisions": APPS,
    "replicationcontrollers": "v1",
}
"""What is to be cached for these controllers, beside pods, nodes and claims: plural -> version."""


def parts(
    client: Callable[[str], Client],
    caches: dict[str, Informer],
    counts: Counter[tuple[str, str]],
) -> dict[str, Callable[[], Awaitable[None]]]:
    """`caches` by plural; `client` gives the identity of a controller by name."""
    # The index of pods hears of a change before the controllers that look there.
    pods, sets = Children(caches["pods"]), Children(caches["replicasets"])
    revisions = Children(caches["controllerrevisions"])
    return {
        deployment.NAME: DeploymentController(
            client(deployment.NAME), caches["deployments"], sets, pods, counts
        ).controller.run,
        replicaset.REPLICA_SET: ReplicaSetController(
            client(replicaset.REPLICA_SET),
            replicaset.REPLICA_SET,
            "ReplicaSet",
            caches["replicasets"],
            pods,
            counts,
        ).controller.run,
        replicaset.REPLICATION: ReplicaSetController(
            client(replicaset.REPLICATION),
            replicaset.REPLICATION,
            "ReplicationController",
            caches["replicationcontrollers"],
            pods,
            counts,
        ).controller.run,
        statefulset.NAME: StatefulSetController(
            client(statefulset.NAME),
            caches["statefulsets"],
            pods,
            revisions,
            caches["persistentvolumeclaims"],
            counts,
        ).controller.run,
        daemonset.NAME: DaemonSetController(
            client(daemonset.NAME), caches["daemonsets"], pods, revisions, caches["nodes"], counts
        ).controller.run,
    }
