"""The controllers of batch, policy, services and storage, and the caches that they share."""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from sympozium.localkube.admission.services import API_SERVICE
from sympozium.localkube.controllers.api import Api, Client
from sympozium.localkube.controllers.cronjob.controller import NAME as CRON, CronJobController
from sympozium.localkube.controllers.disruption.controller import NAME as DISRUPTION, DisruptionController
from sympozium.localkube.controllers.informer import Informer
from sympozium.localkube.controllers.services import apiservice, controller as services, mirror
from sympozium.localkube.controllers.volumes import binder, reclaim
from sympozium.localkube.types import UserInfo

CACHES = {
    "services": "v1",
    "endpoints": "v1",
    "endpointslices": "discovery.k8s.io/v1",
    "cronjobs": "batch/v1",
    "poddisruptionbudgets": "policy/v1",
    "persistentvolumes": "v1",
    "storageclasses": "storage.k8s.io/v1",
}
"""Plural -> apiVersion."""
SERVER = UserInfo(username="system:apiserver", groups=("system:masters", "system:authenticated"))


@dataclass(frozen=True, slots=True)
class Place:
    """Where this API server is: `address` (host:port), and the directory for volumes (None: none are made)."""

    address: str = ""
    volumes: Path | None = None


def parts(
    api: Api, caches: dict[str, Informer], counts: Counter[tuple[str, str]], place: Place
) -> dict[str, Callable[[], Awaitable[None]]]:
    """Name -> what runs for ever. `caches` are those of `CACHES`, pods, nodes, jobs and persistentvolumeclaims."""

    def client(name: str) -> Client:
        return Client(api, name)

    found: dict[str, Callable[[], Awaitable[None]]] = {
        CRON: CronJobController(client(CRON), caches["cronjobs"], caches["jobs"], counts).controller.run,
        DISRUPTION: DisruptionController(
            client(DISRUPTION), caches["poddisruptionbudgets"], caches["pods"], counts
        ).controller.run,
        services.NAME: services.ServiceController(
            client(services.NAME), client(services.ENDPOINTS), caches, counts
        ).controller.run,
        binder.NAME: binder.Binder(client(binder.NAME), caches, counts, place.volumes).controller.run,
        reclaim.NAME: reclaim.Reclaimer(client(binder.NAME), caches, counts, place.volumes).controller.run,
        mirror.NAME: mirror.Mirror(client(mirror.NAME), caches, counts).controller.run,
    }
    if place.address:
        found[apiservice.NAME] = apiservice.ApiService(
            Client(api, "", user=SERVER),
            caches,
            counts,
            address=place.address,
            cluster_ip=API_SERVICE,
        ).run
    return found
