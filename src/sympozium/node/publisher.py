"""Publishes the status of one pod: the newest, one request at a time, until it is taken.

Many changes while a request is under way become one request. The uid in the patch makes the API server refuse
it when the pod of that name is another one by now.
"""

import asyncio
import logging
import random
from typing import Protocol

from sympozium.kube import ApiError, ConflictError, InvalidError, KubeError, NotFoundError
from sympozium.node.objects import Object, key

_log = logging.getLogger(__name__)

RETRY = (0.5, 30.0)


class Source(Protocol):
    """The pod, as the publisher sees it."""

    @property
    def object(self) -> Object: ...
    @property
    def machine(self) -> "Target": ...
    def build_status(self) -> Object: ...
    def end(self, grace: float) -> None: ...
    def accept(self, pod: Object) -> None:
        """The pod as the API server has it after a patch of ours."""


class Target(Protocol):
    async def patch_status(self, pod: Object, status: Object) -> Object: ...


class Publisher:
    """`run` ends after `finish`, when the last status has been taken or nobody wants it any more."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._changed = asyncio.Event()
        self._finishing = False
        self._published: Object | None = None

    def changed(self) -> None:
        self._changed.set()

    def finish(self) -> None:
        self._finishing = True
        self._changed.set()

    async def run(self) -> None:
        delay = RETRY[0]
        while True:
            await self._changed.wait()
            self._changed.clear()
            last = self._finishing
            status = self._source.build_status()
            if _same(status, self._published):
                if last:
                    return
                continue
            pod = self._source.object
            try:
                self._source.accept(await self._source.machine.patch_status(pod, status))
            except (NotFoundError, ConflictError):
                self._source.end(0)  # gone, or replaced by a namesake
                if last:
                    return
            except InvalidError as exc:
                # Trying again cannot help with the same words; the next change may.
                _log.error("status of pod %s is refused: %s", key(pod), exc)
                if last:
                    return
            except KubeError as exc:
                level = logging.WARNING if isinstance(exc, ApiError) else logging.INFO
                _log.log(level, "status of pod %s not published, again in %.1f s: %s", key(pod), delay, exc)
                await asyncio.sleep(delay * random.uniform(0.5, 1.5))  # noqa: S311  # jitter
                delay = min(delay * 2, RETRY[1])
                self._changed.set()
                continue
            else:
                self._published = status
            delay = RETRY[0]
            if last and not self._changed.is_set():
                return


def _same(new: Object, old: Object | None) -> bool:
    """Equal but for transition times, which are kept from the pod that the API server has sent back."""
    return old is not None and _timeless(new) == _timeless(old)


def _timeless(status: Object) -> Object:
    conditions = [{k: v for k, v in c.items() if k != "lastTransitionTime"} for c in status["conditions"]]
    return status | {"conditions": conditions}
