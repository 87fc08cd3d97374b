"""The network of one pod: made when it starts, and kept to its policies while it runs.

What counts is read from the API server when the pod starts, and again whenever a NetworkPolicy of its namespace,
its labels or its annotation have changed. While that cannot be read, what held before goes on to hold.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from typing import Protocol

from sympozium.node import network as networks
from sympozium.node.machine import Machine
from sympozium.node.network import Egress
from sympozium.node.objects import Object, key
from sympozium.node.relay import PodNetwork
from sympozium.node.services import Backend
from sympozium.node.switchboard import Streams, Switchboard

_log = logging.getLogger(__name__)
_RETRY = 1.0


class Owner(Protocol):
    """The pod's worker."""

    @property
    def object(self) -> Object: ...
    def event(self, kind: str, reason: str, message: str) -> None: ...


class _Neighbours:
    """The switchboard, as seen from one pod."""

    def __init__(self, owner: Owner, switchboard: Switchboard) -> None:
        self._owner = owner
        self._switchboard = switchboard

    async def route(self, egress: Egress, address: str, port: int) -> Backend | None:
        return await self._switchboard.route(self._owner.object, egress, address, port)

    async def permits(self, egress: Egress, address: str, port: int, backend: Backend) -> bool:
        return await self._switchboard.permits(self._owner.object, egress, address, port, backend)

    async def dial(self, backend: Backend) -> Streams:
        return await self._switchboard.dial(backend)


class Attachment:
    """`net` is None before `make`, and for a pod on the machine's own network."""

    def __init__(
        self,
        owner: Owner,
        machine: Machine,
        switchboard: Switchboard | None,
        address: str,
        renamed: Callable[[], None],
    ) -> None:
        """`address` is the pod's, where it has a network in which others would answer. `renamed` is called when the
        names in it may have changed.
        """
        self._owner = owner
        self._machine = machine
        self._switchboard = switchboard if machine.host.steers else None
        self._address = address
        self._renamed = renamed
        self._known: dict[str, str] = {}
        self._policies: tuple[str, ...] | None = None
        self._seen = _facts(owner.object)
        self._stale = asyncio.Event()
        self._neighbours_changed = asyncio.Event()
        self.net: PodNetwork | None = None

    async def make(self) -> None:
        """A network of its own where the node can give one or a policy asks for it; else the machine's.

        Raises OSError or NotPossibleError.
        """
        if self.net is not None:
            return
        pod, host = self._owner.object, self._machine.host
        self._seen = _facts(pod)
        policies = await self._machine.network_policies(pod["metadata"]["namespace"])
        self._policies = self._chosen(policies)
        egress = self._egress(policies)
        steered = self._switchboard is not None and (self._policies or not networks.on_the_machines(pod))
        if egress is None and not steered:
            if self._policies:
                words = "Ingress policies are not held on this node: it is not root"
                self._owner.event("Warning", "NetworkPolicyNotApplied", words)
            return
        if not host.own_network:
            raise networks.NotPossibleError(
                f"NetworkPolicy {', '.join(self._policies)} restricts the pod, and this node cannot make networks: "
                f"{host.network_problem}. Remove the policy, or start the node as root"
            )
        if self._switchboard:
            allowed = egress or self._unrestricted()
            await self._switchboard.wait_synced()
            around = _Neighbours(self._owner, self._switchboard)
            self.net = await PodNetwork.make_steered(allowed, key(pod), self._address, around)
        elif egress:
            self.net = await PodNetwork.make(egress, key(pod))
        self._warn(egress)

    def close(self) -> None:
        if self.net is not None:
            self.net.close()
            self.net = None

    # -- while it runs

    def pod_changed(self, pod: Object) -> None:
        """A newer version of the object is there."""
        if _facts(pod) != self._seen:
            self.policies_changed()

    def policies_changed(self) -> None:
        """Of its namespace."""
        self._stale.set()

    def neighbours_changed(self) -> None:
        """Policies of another namespace, which count for connections into it."""
        self._neighbours_changed.set()

    @contextlib.asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """While inside, connections are carried, and judged anew when something has changed."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._follow())]
            if self.net:
                tasks += [group.create_task(self.net.serve()), group.create_task(self._recheck(self.net))]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()

    async def _follow(self) -> None:
        while True:
            await self._stale.wait()
            self._stale.clear()
            try:
                await self._renew()
            except OSError as exc:
                _log.warning(
                    "pod %s: its policies cannot be applied, again in 1 s: %s", key(self._owner.object), exc
                )
                await asyncio.sleep(_RETRY)
                self._stale.set()

    async def _recheck(self, net: PodNetwork) -> None:
        while True:
            await self._neighbours_changed.wait()
            self._neighbours_changed.clear()
            await net.recheck()

    async def _renew(self) -> None:
        pod = self._owner.object
        seen = _facts(pod)
        policies = await self._machine.shared_policies(pod["metadata"]["namespace"])
        chosen, egress = self._chosen(policies), self._egress(policies)
        if self.net is None or (egress is None and not self.net.steered):
            if chosen != self._policies:
                words = (
                    "The policies of this pod have changed since it started; on the machine's own network, or on a node "
                    "that is not root, it keeps the network that it has. Delete the pod to apply them"
                )
                self._owner.event("Warning", "NetworkPolicyNotApplied", words)
            self._policies, self._seen = chosen, seen
            return
        allowed = egress or self._unrestricted()
        cut = await self.net.apply(allowed)
        if chosen != self._policies or cut:
            words = (
                f"under {', '.join(chosen) or 'no network policy'} from now on; {cut} connections were cut"
            )
            self._owner.event("Normal", "NetworkPolicyApplied", words)
        self._policies, self._seen = chosen, seen
        self._warn(egress)
        self._renamed()

    def _warn(self, egress: Egress | None) -> None:
        for warning in egress.warnings if egress else ():
            self._owner.event("Warning", "NetworkPolicyNotApplied", warning)

    def _egress(self, policies: list[Object]) -> Egress | None:
        return networks.egress(
            self._owner.object, policies, self._known, steered=self._switchboard is not None
        )

    def _unrestricted(self) -> Egress:
        return networks.unrestricted(self._owner.object, self._machine.api_server, self._known)

    def _chosen(self, policies: list[Object]) -> tuple[str, ...]:
        """Names of the policies that select the pod."""
        pod = self._owner.object
        found = [*networks.selecting(pod, policies), *networks.ingress_selecting(pod, policies)]
        return tuple(dict.fromkeys(policy["metadata"]["name"] for policy in found))


def _facts(pod: Object) -> tuple[Object, str]:
    """What of a pod its policies look at."""
    meta = pod["metadata"]
    return meta.get("labels") or {}, (meta.get("annotations") or {}).get(networks.ANNOTATION, "")
