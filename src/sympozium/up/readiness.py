"""Waiting for a part of this machine to be ready, in the installer's process, with one bound for all.

There is no event to wait on across processes that are only just starting: each is asked every 30 ms.
"""

import http.client
import ssl
import time
from collections.abc import Callable

from sympozium.up.apiclient import Api, InstallError
from sympozium.up.paths import DataDir

_BOUND = 55.0
_INTERVAL = 0.03


class Waiting:
    """All waits together are bounded by one minute from its making."""

    def __init__(self, data: DataDir) -> None:
        self._data = data
        self._end = time.monotonic() + _BOUND

    def for_api(self, port: int) -> None:
        """Until the API answers /readyz, and the administrator's kubeconfig is written."""

        def ready() -> bool:
            if not self._data.kubeconfig.exists():
                return False
            # Who answers is checked by the session that follows, with the CA; this only asks whether.
            context = ssl._create_unverified_context()  # noqa: S323, SLF001
            return _answers(
                http.client.HTTPSConnection("127.0.0.1", port, timeout=5, context=context), "/readyz"
            )

        self._until(ready, "the API")

    def for_health(self, part: str, port: int) -> None:
        """Until `/readyz` of a component's health endpoint says so."""
        self._until(
            lambda: _answers(http.client.HTTPConnection("127.0.0.1", port, timeout=5), "/readyz"), part
        )

    def for_node(self, api: Api, name: str) -> None:
        """Until the Node has the condition Ready."""

        def ready() -> bool:
            node = api.get(f"/api/v1/nodes/{name}") or {}
            conditions = (node.get("status") or {}).get("conditions") or []
            return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)

        self._until(ready, f"node {name}")

    def _until(self, condition: Callable[[], bool], what: str) -> None:
        while not condition():
            if time.monotonic() > self._end:
                raise InstallError(f"{what} did not become ready within {_BOUND:.0f} s")
            time.sleep(_INTERVAL)


def _answers(connection: http.client.HTTPConnection, path: str) -> bool:
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
