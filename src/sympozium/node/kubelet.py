"""Follows the pods that are bound to this node, and gives each one its worker.

A pod is known by its uid: a namesake that follows is another one. Its directory stays, for its logs, until
the object is gone from the API server.
"""

import asyncio
import contextlib
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sympozium.kube import Client, ConflictError, Informer, KubeError
from sympozium.kube.informer import drop_managed_fields
from sympozium.kube.resources import NETWORK_POLICIES, PODS
from sympozium.node import eviction, state, status
from sympozium.node.capacity import Shortage
from sympozium.node.eviction import Evictor
from sympozium.node.logs import LogWriter
from sympozium.node.machine import Machine
from sympozium.node.objects import Object, all_containers, key
from sympozium.node.pod import PodWorker
from sympozium.node.server import RequestError
from sympozium.node.switchboard import Switchboard

if TYPE_CHECKING:
    from sympozium.node.execution import Inside
    from sympozium.node.streaming.attach import Attached
    from sympozium.node.streaming.portforward import Destination

_log = logging.getLogger(__name__)

SHUTDOWN_GRACE = 5.0
SHUTDOWN_LIMIT = 12.0
CRASH_RETRY = 10.0
RENAME_DELAY = 0.1


class Kubelet:
    """Runs until told to stop."""

    def __init__(self, client: Client, machine: Machine, told: Callable[[list[Shortage]], None]) -> None:
        """`told` hears, every few seconds, what the machine is short of."""
        self._client = client
        self._machine = machine
        self._informer = Informer(
            client, PODS, fields=f"spec.nodeName={machine.settings.name}", transform=drop_managed_fields
        )
        self._network_policies = Informer(client, NETWORK_POLICIES, transform=drop_managed_fields)
        self._network_policies.add_handler(self._policy_changed)
        self._workers: dict[str, PodWorker] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._switchboard = (
            Switchboard(client, machine, lambda: self._workers) if machine.host.steers else None
        )
        self._slots: set[int] = set()
        self._stopping = False
        self._evictor = Evictor(machine.settings, lambda: list(self._workers.values()), told)
        self.synced = False

    async def run(self, stop: asyncio.Event) -> None:
        """Run pods until `stop` is set, then stop their containers and say so."""
        self._machine.pods.mkdir(parents=True, exist_ok=True)
        self._machine.pods.chmod(0o755)
        self._machine.note_predecessor(self._machine.host.groups.clean())
        async with asyncio.TaskGroup() as group:
            following = group.create_task(self._informer.run())
            helpers: list[asyncio.Task[None]] = [
                group.create_task(self._evictor.run()),
                group.create_task(self._network_policies.run()),
            ]
            if self._switchboard:
                helpers.append(group.create_task(self._switchboard.run()))
                helpers.append(group.create_task(self._rename(self._switchboard)))
            waiting: list[asyncio.Task[object]] = [
                group.create_task(e) for e in (self._informer.wait_synced(), stop.wait())
            ]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if self._informer.has_synced:
                self._recover()
                self._informer.add_handler(lambda old, new: self._pod_changed(group, old, new))
                self.synced = True
            await stop.wait()
            await self._shut_down()
            following.cancel()
            for each in [*helpers, *waiting]:
                each.cancel()

    async def _rename(self, switchboard: Switchboard) -> None:
        """Give running pods the names of Services that have come, changed or gone."""
        while True:
            await switchboard.changed.wait()
            await asyncio.sleep(RENAME_DELAY)  # a rollout changes many at once
            switchboard.changed.clear()
            for worker in list(self._workers.values()):
                worker.refresh_hosts()

    def _policy_changed(self, old: Object | None, new: Object | None) -> None:
        """A NetworkPolicy binds the pods that run."""
        namespace = (new or old or {})["metadata"]["namespace"]
        self._machine.forget_policies(namespace)
        if self._switchboard:
            self._switchboard.forget_policies(namespace)
        for worker in self._workers.values():
            if worker.object["metadata"]["namespace"] == namespace:
                worker.attachment.policies_changed()
            worker.attachment.neighbours_changed()

    def _recover(self) -> None:
        """Remove what belongs to pods that are gone, and keep the users of those that are there."""
        present = {pod["metadata"]["uid"] for pod in self._informer.list()}
        for directory in self._machine.pods.iterdir():
            if directory.name not in present:
                _log.info("pod %s is gone: removing its directory", directory.name)
                shutil.rmtree(directory)
            elif (slot := state.slot_of(directory / "state.json")) is not None:
                self._slots.add(slot)

    async def _shut_down(self) -> None:
        self._stopping = True
        for worker in self._workers.values():
            worker.suspend(SHUTDOWN_GRACE)
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=SHUTDOWN_LIMIT)
        for task in self._tasks.values():
            task.cancel()

    # -- pods

    def _pod_changed(self, group: asyncio.TaskGroup, old: Object | None, new: Object | None) -> None:
        if self._stopping:
            return
        if old is not None and (new is None or old["metadata"]["uid"] != new["metadata"]["uid"]):
            self._gone(old)
        if new is None:
            return
        uid = new["metadata"]["uid"]
        if uid in self._workers:
            self._workers[uid].update(new)
        elif uid not in self._tasks and ((new.get("status") or {}).get("phase") not in status.TERMINAL
                                         or new["metadata"].get("deletionTimestamp")):  # fmt: skip
            self._tasks[uid] = group.create_task(self._run(new), name=f"pod {key(new)}")

    def _gone(self, pod: Object) -> None:
        uid = pod["metadata"]["uid"]
        if worker := self._workers.get(uid):
            worker.end(0)  # its task removes the directory
        elif uid not in self._tasks:
            self._remove(uid)

    async def _run(self, pod: Object) -> None:
        """A pod from here to its final status, whatever happens to its worker."""
        uid = pod["metadata"]["uid"]
        try:
            while not self._stopping:
                try:
                    await self._work(pod)
                    break
                except Exception:  # noqa: BLE001  # one pod's fault must not end the others
                    _log.exception(
                        "pod %s: the worker has failed; starting it again in %.0f s", key(pod), CRASH_RETRY
                    )
                    self._machine.event(
                        pod, "Warning", "FailedSync", "The node failed at this pod; see its log"
                    )
                    await asyncio.sleep(CRASH_RETRY)
        finally:
            del self._tasks[uid]
        if not self._is_present(pod):
            self._remove(uid)

    async def _work(self, pod: Object) -> None:
        uid = pod["metadata"]["uid"]
        if (pod.get("status") or {}).get("phase") in status.TERMINAL:
            await self._delete(pod)
            return
        slot = state.slot_of(self._machine.pods / uid / "state.json")
        if slot is None:
            slot = next(n for n in range(len(self._slots) + 1) if n not in self._slots)
        self._slots.add(slot)
        worker = PodWorker(self._machine, pod, slot, self._switchboard)
        self._workers[uid] = worker
        if len(self._workers) > self._machine.settings.max_pods:
            worker.refuse(
                "OutOfpods",
                f"Node didn't have enough resource: pods, limit: {self._machine.settings.max_pods}",
            )
        elif not (pod.get("status") or {}).get("startTime") and (
            words := eviction.refusal(pod, self._evictor.short)
        ):  # one that has started before goes on
            worker.refuse("Evicted", words)
        worker.update(pod)
        try:
            await worker.run()
        finally:
            del self._workers[uid]
            self._slots.discard(slot)
        if worker.object["metadata"].get("deletionTimestamp") and not self._stopping:
            await self._delete(worker.object)

    def _is_present(self, pod: Object) -> bool:
        now = self._informer.get(pod["metadata"]["namespace"], pod["metadata"]["name"])
        return now is not None and now["metadata"]["uid"] == pod["metadata"]["uid"]

    async def _delete(self, pod: Object) -> None:
        """Tell the API server that nothing of a deleted pod runs any more, until it has understood."""
        meta, delay = pod["metadata"], 0.5
        while True:
            try:
                await self._client.delete(PODS, meta["name"], meta["namespace"], uid=meta["uid"], grace=0)
            except ConflictError:
                return  # a namesake has taken its place
            except KubeError as exc:
                _log.warning("final deletion of pod %s, again in %.1f s: %s", key(pod), delay, exc)
                await asyncio.sleep(delay)
                delay = min(delay * 2, 30.0)
            else:
                return

    def _remove(self, uid: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self._machine.pods / uid)

    # -- logs

    def locate_log(
        self, namespace: str, name: str, container: str, previous: bool
    ) -> tuple[Path, LogWriter | None]:
        """The log of a container's last attempt, or of the one before. Raises RequestError."""
        pod = self._informer.get(namespace, name)
        if pod is None:
            raise RequestError(404, f'pods "{name}" not found')
        if container not in {c["name"] for c in all_containers(pod)}:
            raise RequestError(400, f"container {container} is not valid for pod {name}")
        uid = pod["metadata"]["uid"]
        directory = self._machine.pods / uid / "logs" / container
        attempts = sorted((int(path.stem) for path in directory.glob("*.log")), reverse=True)
        if len(attempts) <= previous:
            if previous:
                raise RequestError(
                    400, f'previous terminated container "{container}" in pod "{name}" not found'
                )
            raise RequestError(
                400,
                f'container "{container}" in pod "{name}" is waiting to start: {_waiting(pod, container)}',
            )
        worker = self._workers.get(uid)
        writer = worker.runners[container].writer if worker and not previous else None
        return directory / f"{attempts[int(previous)]}.log", writer

    # -- what the streams need: `streaming.endpoint` has the protocol

    def _worker(self, namespace: str, name: str, uid: str) -> PodWorker:
        pod = self._informer.get(namespace, name)
        if pod is None:
            raise RequestError(404, "pod does not exist")
        if uid and uid != pod["metadata"]["uid"]:
            raise RequestError(404, "pod not found")
        worker = self._workers.get(pod["metadata"]["uid"])
        if worker is None:
            raise RequestError(500, f"pod {name}_{namespace} is not running")
        return worker

    def inside(self, namespace: str, pod: str, container: str, uid: str) -> "Inside":
        """A container to run a program in. Raises RequestError."""
        runner = self._worker(namespace, pod, uid).runners.get(container)
        inside = runner.inside if runner else None
        if inside is None:
            raise RequestError(500, f'container not found ("{container}")')
        return inside

    def attached(self, namespace: str, pod: str, container: str, uid: str) -> "Attached":
        """A container to attach to. Raises RequestError."""
        from sympozium.node.streaming.attach import Attached

        runner = self._worker(namespace, pod, uid).runners.get(container)
        process = runner.process if runner else None
        if runner is None or process is None:
            raise RequestError(500, f"container {container} not found in pod {pod}_{namespace}")
        spec = runner.container
        return Attached(process, tty=bool(spec.get("tty")), stdin_once=bool(spec.get("stdinOnce")))

    def destination(self, namespace: str, pod: str, uid: str) -> "Destination":
        """The network of a pod to forward ports to. Raises RequestError."""
        from sympozium.node.streaming.portforward import Destination

        worker = self._worker(namespace, pod, uid)
        if not worker.sandboxed or worker.phase in status.TERMINAL:
            raise RequestError(500, f"not able to forward: pod {pod}_{namespace} is not running")
        return Destination(pod, worker.object["metadata"]["uid"], worker.network)


def _waiting(pod: Object, container: str) -> str:
    """Why a container has not started, by its published status."""
    published = pod.get("status") or {}
    statuses = [*(published.get("initContainerStatuses") or ()), *(published.get("containerStatuses") or ())]
    found: Object = next((s for s in statuses if s["name"] == container), {})
    return str((found.get("state", {}).get("waiting") or {}).get("reason") or "ContainerCreating")
