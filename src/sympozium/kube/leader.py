"""One leader among replicas, by a Lease.

https://kubernetes.io/docs/concepts/architecture/leases/ and client-go's leaderelection. A leader that could
not renew for `renew_deadline` seconds stops working before its lease can be taken (`lease_seconds`): the
gap between the two is the fence, and holds as long as clocks run at about the same speed. Other clocks'
time stamps are never compared with ours: a lease counts as expired when *we* have not seen it change for
its duration.

A holder that was killed on this very machine need not be waited for: its identity names the boot, the pid
namespace, the pid and the start time, so that its successor can see that it is dead.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sympozium.kube import metrics
from sympozium.kube.client import Client
from sympozium.kube.errors import ConflictError, KubeError
from sympozium.kube.resources import LEASES, Object

log = logging.getLogger(__name__)

LEASE_SECONDS: Final = 15
RENEW_DEADLINE: Final = 10.0
RETRY: Final = 4.0


class LostLeadershipError(Exception):
    """The lease could not be renewed in time, or somebody else holds it."""


def identity() -> str:
    """`host_boot_pidns_pid_start`: this process, and no other one ever."""
    pid = os.getpid()
    return f"{socket.gethostname()}_{_machine()}_{pid}_{_start_time(pid)}"


class Elector:
    """Takes part in the election for one lease."""

    def __init__(
        self,
        client: Client,
        namespace: str,
        name: str,
        *,
        holder: str | None = None,
        lease_seconds: int = LEASE_SECONDS,
        renew_deadline: float = RENEW_DEADLINE,
        retry: float = RETRY,
    ) -> None:
        assert retry < renew_deadline < lease_seconds
        self._client = client
        self._namespace = namespace
        self._name = name
        self._holder = holder or identity()
        self._lease_seconds = lease_seconds
        self._renew_deadline = renew_deadline
        self._retry = retry
        self._seen: tuple[str, float] = ("", float("-inf"))
        self.is_leader = False

    async def run(self, work: Callable[[], Awaitable[None]]) -> None:
        """Wait for leadership, then run `work` while it lasts.

        Returns when `work` returns, having released the lease. Raises LostLeadershipError after `work` was
        cancelled because the lease was lost. Cancelling cancels `work`, then releases.
        """
        await self._acquire()
        metrics.LEADER.labels(self._name).set(1)
        self.is_leader = True
        try:
            async with asyncio.TaskGroup() as group:
                renewing = group.create_task(self._renew_forever())
                await work()
                renewing.cancel()
        except BaseExceptionGroup as errors:
            # Not `except*`: what is raised inside that comes out as a group on some Pythons (3.11.2), bare on others.
            lost, _ = errors.split(LostLeadershipError)
            if lost is None:
                raise
            self.is_leader = False
            raise LostLeadershipError(str(lost.exceptions[0])) from None
        finally:
            metrics.LEADER.labels(self._name).set(0)
            if self.is_leader:
                self.is_leader = False
                await self._release()

    async def _acquire(self) -> None:
        while True:
            try:
                if await self._try():
                    log.info("leader of %s as %s", self._name, self._holder)
                    return
            except KubeError as error:
                log.warning("lease %s: %s", self._name, error)
            await asyncio.sleep(self._retry)

    async def _renew_forever(self) -> None:
        loop = asyncio.get_running_loop()
        renewed = loop.time()
        while True:
            await asyncio.sleep(self._retry)
            try:
                async with asyncio.timeout_at(renewed + self._renew_deadline):
                    if not await self._try():
                        raise LostLeadershipError(f"lease {self._name} is held by another process")
                renewed = loop.time()
            except (KubeError, TimeoutError) as error:
                if loop.time() >= renewed + self._renew_deadline:
                    raise LostLeadershipError(
                        f"lease {self._name} was not renewed for {self._renew_deadline:.0f} s: {error}"
                    ) from error
                log.warning("lease %s not renewed yet: %s", self._name, error)

    async def _try(self) -> bool:
        """One attempt to hold the lease; False when another holds it."""
        lease = await self._client.find(LEASES, self._name, self._namespace)
        if lease is None:
            meta = {"name": self._name, "namespace": self._namespace}
            body = {
                "apiVersion": LEASES.api_version,
                "kind": LEASES.kind,
                "metadata": meta,
                "spec": self._spec({}),
            }
            return await self._write(self._client.create(LEASES, body))
        spec = lease.get("spec") or {}
        if spec.get("holderIdentity") != self._holder and not self._expired(lease):
            return False
        return await self._write(self._client.update(LEASES, {**lease, "spec": self._spec(spec)}))

    async def _write(self, request: Awaitable[Object]) -> bool:
        try:
            await request
        except ConflictError:
            return False
        return True

    def _expired(self, lease: Object) -> bool:
        spec = lease.get("spec") or {}
        holder = spec.get("holderIdentity") or ""
        if not holder or _is_dead(holder):
            return True
        version, now = lease["metadata"]["resourceVersion"], asyncio.get_running_loop().time()
        if self._seen[0] != version:
            self._seen = (version, now)
        return now >= self._seen[1] + float(spec.get("leaseDurationSeconds") or self._lease_seconds)

    def _spec(self, old: Object) -> Object:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        ours = old.get("holderIdentity") == self._holder
        return {
            "holderIdentity": self._holder,
            "leaseDurationSeconds": self._lease_seconds,
            "acquireTime": old.get("acquireTime", now) if ours else now,
            "renewTime": now,
            "leaseTransitions": int(old.get("leaseTransitions") or 0) + (0 if ours else 1),
        }

    async def _release(self) -> None:
        """Let a successor start at once; without it the lease runs out by itself."""
        try:
            async with asyncio.timeout(5):
                lease = await self._client.find(LEASES, self._name, self._namespace)
                if lease and lease["spec"].get("holderIdentity") == self._holder:
                    spec = {**lease["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}
                    await self._client.update(LEASES, {**lease, "spec": spec})
        except (KubeError, TimeoutError) as error:
            log.warning("lease %s not released, it runs out by itself: %r", self._name, error)


def _machine() -> str:
    """This boot of this kernel and this pid namespace, within which a pid means something."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]
        namespace = Path("/proc/self/ns/pid").readlink().name.strip("pid:[]")
    except OSError:
        return "unknown"
    return f"{boot}-{namespace}"


def _start_time(pid: int) -> str | None:
    """Clock ticks since boot at which a process started (proc(5), field 22); None when it does not run."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The name in parentheses may contain anything; fields are counted after it.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in ("Z", "X") else fields[19]


def _is_dead(holder: str) -> bool:
    """Whether the holder was a process of this machine that does not run any more."""
    parts = holder.rsplit("_", 3)
    if len(parts) != 4 or parts[1] != _machine() or parts[1] == "unknown" or not parts[2].isdecimal():
        return False
    return _start_time(int(parts[2])) != parts[3]
