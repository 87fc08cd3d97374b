"""Keeps the status of PodDisruptionBudgets. One key is one budget; its pods come from the shared cache."""

import datetime as dt
import logging
from collections import Counter

from sympozium.localkube import disruptions
from sympozium.localkube.controllers.api import Client, path_of
from sympozium.localkube.controllers.controller import Controller
from sympozium.localkube.controllers.disruption import count, scales
from sympozium.localkube.controllers.informer import Informer, Key, key_of
from sympozium.localkube.controllers.mergepatch import difference
from sympozium.localkube.controllers.recorder import record
from sympozium.localkube.errors import ApiError
from sympozium.localkube.types import Object

log = logging.getLogger(__name__)

NAME = "disruption-controller"
COMPONENT = "controllermanager"
RETRY = 10.0
_UNMANAGED = (
    "Pods selected by this PodDisruptionBudget (selector: {}) were found to be unmanaged. As a result, the status of the"
    " PDB cannot be calculated correctly, which may result in undefined behavior. To account for these pods please set"
    ' ".spec.minAvailable" field of the PDB to an integer value.'
)


class DisruptionController:
    """`controller.run()` does the work."""

    def __init__(
        self, client: Client, budgets: Informer, pods: Informer, counts: Counter[tuple[str, str]]
    ) -> None:
        self._client = client
        self._budgets = budgets
        self._pods = pods
        self.controller: Controller[Key] = Controller(NAME, self.sync, counts)
        budgets.on_change(self._budget_changed)
        pods.on_change(self._pod_changed)

    def _budget_changed(self, new: Object | None, _old: Object | None) -> None:
        if new is not None:
            self.controller.queue.add(key_of(new))

    def _pod_changed(self, new: Object | None, old: Object | None) -> None:
        for key, budget in self._budgets.items.items():
            if any(pod is not None and disruptions.selects(budget, pod) for pod in (new, old)):
                self.controller.queue.add(key)

    async def sync(self, key: Key) -> float | None:
        """Raises ApiError when a request is refused."""
        budget = self._budgets.items.get(key)
        if budget is None:
            return None
        now = dt.datetime.now(dt.UTC)
        pods = [pod for pod in self._pods.items.values() if disruptions.selects(budget, pod)]
        if not pods:
            await record(self._client, COMPONENT, budget, "NoPods", "No matching pods found")
        try:
            scale = await self._scale(budget, pods)
        except (ApiError, scales.UnknownScaleError) as error:
            why = f"Failed to calculate the number of expected pods: {error}"
            await record(
                self._client, COMPONENT, budget, "CalculateExpectedPodCountFailed", why, warning=True
            )
            await self._write(budget, count.failed(budget, str(error), now))
            return RETRY
        waiting, again = count.disrupted(budget, pods, now)
        wanted = count.expected(budget, pods, scale)
        await self._write(budget, count.status(budget, pods, wanted, waiting, now))
        return again

    async def _scale(self, budget: Object, pods: list[Object]) -> int:
        if not count.needs_scale(budget):
            return 0
        total, unmanaged = await scales.total(self._client, budget["metadata"]["namespace"], pods)
        if unmanaged:
            text = _UNMANAGED.format(budget["spec"].get("selector"))
            await record(self._client, COMPONENT, budget, "UnmanagedPods", text, warning=True)
        return total

    async def _write(self, budget: Object, status: Object) -> None:
        changed = difference(budget.get("status") or {}, status)
        if not changed:
            return
        meta = budget["metadata"]
        path = path_of("policy/v1", "poddisruptionbudgets", meta["namespace"], meta["name"], "status")
        patch = {"metadata": {"resourceVersion": meta["resourceVersion"]}, "status": changed}
        try:
            self._budgets.observe(await self._client.merge(path, patch))
        except ApiError as error:
            if error.code != 404:
                raise
            self._budgets.forget(budget)
