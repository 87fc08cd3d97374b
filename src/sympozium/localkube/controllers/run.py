"""All controllers of localkube, as one coroutine.

Each part is supervised on its own: one that crashes is logged, counted and started again with a
back-off, while the others go on. Caches are shared and read under the identity of
kube-controller-manager; each controller writes under its own.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable

from sympozium.localkube.access.rbac import GROUP as RBAC_GROUP
from sympozium.localkube.controllers import (
    cluster,
    clusterroles,
    events,
    namespaces,
    nodes,
    serviceaccounts,
    ttl,
)
from sympozium.localkube.controllers.api import Api, Client, path_of
from sympozium.localkube.controllers.apps import parts as apps
from sympozium.localkube.controllers.crds import API as CRD_API, NAME as CRD_NAME, CRDCleanup
from sympozium.localkube.controllers.garbage.collector import NAME as GARBAGE
from sympozium.localkube.controllers.garbage.monitors import Monitors
from sympozium.localkube.controllers.informer import Informer
from sympozium.localkube.controllers.job.controller import NAME as JOB, JobController
from sympozium.localkube.controllers.scheduler.controller import NAME as SCHEDULER, USER, Scheduler
from sympozium.localkube.types import Object, UserInfo

log = logging.getLogger(__name__)

BACKOFF, BACKOFF_LIMIT = 1.0, 60.0
WATCHER = UserInfo(username="system:kube-controller-manager", groups=("system:authenticated",))

Counts = Counter[tuple[str, str]]
"""(controller, what) -> how often; `what` is syncs, errors, conflicts, crashes and the like."""


async def run(
    api: Api,
    *,
    ca_certificate: str,
    counts: Counts | None = None,
    ready: asyncio.Event | None = None,
    place: cluster.Place | None = None,
) -> None:
    """Runs all controllers until cancelled. `ready` is set when all caches are filled.

    `ca_certificate` (PEM) is published in each namespace. The bootstrap roles must be there. Without a `place`
    there is no Service `default/kubernetes`, and no volume is provisioned.
    """
    counts = Counter() if counts is None else counts
    caches = _Caches(api)
    parts = _parts(api, caches, counts, ca_certificate)
    parts |= cluster.parts(api, caches.by_plural(), counts, place or cluster.Place())
    async with asyncio.TaskGroup() as group:
        for name, informer in caches.all().items():
            group.create_task(supervise(f"cache of {name}", informer.run, counts))
        # Started after the caches are full: no decision is made on half a picture.
        for informer in caches.all().values():
            await informer.synced.wait()
        for name, part in parts.items():
            group.create_task(supervise(name, part, counts))
        if ready is not None:
            ready.set()


async def supervise(name: str, part: Callable[[], Awaitable[None]], counts: Counts) -> None:
    """Run a part for ever; a crash is logged, counted and followed by a new start."""
    delay = BACKOFF
    while True:
        began = asyncio.get_running_loop().time()
        try:
            await part()
            log.error("%s ended although it should not; starting it again in %.0f s", name, delay)
        except Exception:  # whatever it is, the other controllers must go on
            log.exception("%s crashed; starting it again in %.0f s", name, delay)
        counts[name, "crashes"] += 1
        if asyncio.get_running_loop().time() - began > BACKOFF_LIMIT:
            delay = BACKOFF
        await asyncio.sleep(delay)
        delay = min(delay * 2, BACKOFF_LIMIT)


class _Caches:
    """The shared informers."""

    def __init__(self, api: Api) -> None:
        client = Client(api, "", user=WATCHER)

        def cache(api_version: str, resource: str, **options: str) -> Informer:
            return Informer(
                client, path_of(api_version, resource), query=options, keep=without_managed_fields
            )

        self.namespaces = cache("v1", "namespaces")
        self.pods = cache("v1", "pods")
        self.nodes = cache("v1", "nodes")
        self.accounts = cache("v1", "serviceaccounts", fieldSelector="metadata.name=default")
        self.certificates = cache(
            "v1", "configmaps", fieldSelector=f"metadata.name={serviceaccounts.CA_NAME}"
        )
        self.leases = cache("coordination.k8s.io/v1", "leases")
        self.jobs = cache("batch/v1", "jobs")
        self.claims = cache("v1", "persistentvolumeclaims")
        self.apps = {plural: cache(version, plural) for plural, version in apps.CACHES.items()}
        self.cluster = {plural: cache(version, plural) for plural, version in cluster.CACHES.items()}
        self.crds = Informer(client, path_of(CRD_API, "customresourcedefinitions"), keep=_without_schema)
        self.roles = cache(f"{RBAC_GROUP}/v1", "clusterroles")

    def all(self) -> dict[str, Informer]:
        single = {name: cache for name, cache in vars(self).items() if isinstance(cache, Informer)}
        return single | self.apps | self.cluster

    def by_plural(self) -> dict[str, Informer]:
        """What the controllers of `cluster` read."""
        return self.cluster | {
            "pods": self.pods,
            "nodes": self.nodes,
            "jobs": self.jobs,
            "persistentvolumeclaims": self.claims,
        }


def without_managed_fields(obj: Object) -> Object:
    """Half of an object's size, and no controller reads it."""
    meta = {key: value for key, value in obj["metadata"].items() if key != "managedFields"}
    return {**obj, "metadata": meta}


def _without_schema(obj: Object) -> Object:
    return {"metadata": without_managed_fields(obj)["metadata"], "status": obj.get("status") or {}}


def _parts(
    api: Api, caches: _Caches, counts: Counts, certificate: str
) -> dict[str, Callable[[], Awaitable[None]]]:
    def client(name: str) -> Client:
        return Client(api, name)

    accounts = serviceaccounts.DefaultAccounts(
        client("service-account-controller"), caches.namespaces, caches.accounts, counts
    )
    certificates = serviceaccounts.RootCertificates(
        client("root-ca-cert-publisher"),
        caches.namespaces,
        caches.certificates,
        counts,
        certificate=certificate,
    )
    scheduler_client = Client(api, "", user=UserInfo(username=USER, groups=("system:authenticated",)))
    watcher = Client(api, "", user=WATCHER)
    garbage = Monitors(watcher, client(GARBAGE), counts)
    caches.crds.on_change(lambda _new, _old: garbage.refresh())
    node_client = client(nodes.NAME)
    shared = {"pods": caches.pods, "nodes": caches.nodes, "persistentvolumeclaims": caches.claims}
    return {
        **apps.parts(client, caches.apps | shared, counts),
        "service-account-controller": accounts.controller.run,
        "root-ca-cert-publisher": certificates.controller.run,
        clusterroles.NAME: clusterroles.Aggregation(
            client(clusterroles.NAME), caches.roles, counts
        ).controller.run,
        namespaces.NAME: namespaces.NamespaceController(
            client(namespaces.NAME), caches.namespaces, counts
        ).controller.run,
        JOB: JobController(client(JOB), caches.jobs, caches.pods, counts).controller.run,
        ttl.NAME: ttl.TTLAfterFinished(client(ttl.NAME), caches.jobs, counts).controller.run,
        SCHEDULER: Scheduler(
            scheduler_client, caches.by_plural() | {"namespaces": caches.namespaces}, counts
        ).controller.run,
        nodes.NAME: nodes.NodeController(node_client, caches.nodes, caches.leases, caches.pods, counts).run,
        CRD_NAME: CRDCleanup(client(CRD_NAME), caches.crds, counts).controller.run,
        GARBAGE: garbage.run,
        events.NAME: lambda: events.run(client(events.NAME), counts),
    }
