"""One API server out of its parts: store, semantics, access, admission, controllers, HTTPS.

`APIServer` is everything but the socket, so that tests can talk to it in this process; `serve` adds the
socket, the controllers and the signals.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sympozium.localkube.access import bootstrap
from sympozium.localkube.access.access import Access
from sympozium.localkube.access.pki import CertificateAuthority
from sympozium.localkube.admission.chain import AdmissionChain
from sympozium.localkube.admission.quota.plugin import Pending, QuotaPlugin
from sympozium.localkube.admission.quota.recount import Recount
from sympozium.localkube.builtin import BUILTIN
from sympozium.localkube.chain import Chain
from sympozium.localkube.client import InProcess
from sympozium.localkube.customs import CustomResources
from sympozium.localkube.handlers.backend import Backend
from sympozium.localkube.handlers.discovery import Discovery
from sympozium.localkube.handlers.dispatch import Dispatcher
from sympozium.localkube.handlers.health import Counters
from sympozium.localkube.handlers.logs import NodeLogs
from sympozium.localkube.objects import StoredObjects
from sympozium.localkube.patch.jsonpatch import json_patch
from sympozium.localkube.present import Presenter
from sympozium.localkube.resources import Registry
from sympozium.localkube.schema.openapi import OpenAPI
from sympozium.localkube.semantics import Managed, MutableTypes
from sympozium.localkube.store import Store, UnwritableError
from sympozium.localkube.types import UserInfo

log = logging.getLogger(__name__)

ADMIN = UserInfo(username="system:apiserver", groups=("system:masters", "system:authenticated"))
COMPACT_SECONDS = 60.0


@dataclass(slots=True)
class Readiness:
    """What /readyz checks: the bootstrap objects are there, and we are not going down."""

    bootstrapped: bool = False
    draining: bool = False

    def checks(self) -> dict[str, Callable[[], bool]]:
        return {
            "ping": lambda: True,
            "bootstrap": lambda: self.bootstrapped,
            "shutdown": lambda: not self.draining,
        }


class APIServer:
    """Opens the store of `data_dir`. `start()` before use, `close()` at the end."""

    def __init__(self, data_dir: Path, *, address: str, token_file: Path | None = None) -> None:
        """`address` is host:port as discovery shows it. Raises StoreError, ValueError (token file)."""
        data_dir.mkdir(parents=True, exist_ok=True)
        self.authority = CertificateAuthority(data_dir / "pki")
        self.store = Store(data_dir / "state.db")
        self.readiness = Readiness()
        self.registry = Registry(BUILTIN)
        self.types = MutableTypes(BUILTIN)
        objects = StoredObjects(self.store)
        self.access = Access(objects, self.authority, token_file=token_file)
        charged = Pending()
        self.admission = AdmissionChain(
            objects,
            self.access,
            json_patch=json_patch,
            node_of=lambda group, version, kind: getattr(self.types.get(group, version, kind), "node", None),
            quotas=QuotaPlugin(self.store, charged),
        )
        self.quotas = Recount(self.store, charged)
        presenter = Presenter(self.types)
        self.customs = CustomResources(self.store, self.registry, self.types)
        backend = Backend(
            store=self.store,
            registry=self.registry,
            types=self.types,
            presenter=presenter,
            authorizer=self.access.authorizer,
            admission=self.admission,
            effective_user=self.access.effective_user,
            reviews=self.access.reviews,
            openapi=OpenAPI(self.registry, self.types),
            ownership=Managed(),
            customs=self.customs,
        )
        self.controller_counts: Counter[tuple[str, str]] = Counter()
        counters = Counters()
        counters.others.append(("localkube_controller_total", ("controller", "what"), self.controller_counts))
        counters.others.append(("localkube_webhook_total", ("webhook", "what"), self.admission.counts))
        self.nodes = nodes = NodeLogs(
            certificate=self.authority.kubelet_client.certificate,
            key=self.authority.kubelet_client.key,
            authority=self.authority.certificate_path,
        )
        dispatcher = Dispatcher(
            backend, Discovery(self.registry, address), nodes, counters, self.readiness.checks()
        )
        self.chain = Chain(backend, dispatcher, counters)

    @property
    def client(self) -> InProcess:
        """The API as the administrator, in this process."""
        return InProcess(self.chain, ADMIN)

    async def start(self) -> None:
        """Makes the bootstrap objects; ready afterwards."""
        await bootstrap.ensure(self.client)
        self.readiness.bootstrapped = True

    def drain(self) -> None:
        """Ends all watches and streams; /readyz fails from now on."""
        self.readiness.draining = True
        self.store.end_watches()
        self.nodes.end_streams()

    async def close(self) -> None:
        self.drain()
        await self.admission.close()
        self.store.close()


async def compact_forever(store: Store) -> None:
    """Forgets old history about once a minute; while the disk is full it stays."""
    while True:
        try:
            await store.compact_by_time()
        except UnwritableError as error:
            log.warning("old history is kept: %s", error)
        await asyncio.sleep(COMPACT_SECONDS)
