"""How requests authenticate: a token as it is, from a file that changes, or from a credential plugin."""

import asyncio
import json
import os
import time
from collections.abc import AsyncGenerator, Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx2

from sympozium.kube.errors import ConfigError

_TOKEN_CHECK: Final = 1.0
_EXEC_TIMEOUT: Final = 60.0


class BearerAuth(httpx2.Auth):
    """One token, as it is."""

    def __init__(self, token: str) -> None:
        self._header = f"Bearer {token}"

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        request.headers["Authorization"] = self._header
        yield request


class TokenFileAuth(httpx2.Auth):
    """A bearer token from a file that somebody renews under us: a kubelet, or the supervisor of one machine.

    The file is looked at once a second at most, and at once after a 401.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._header = ""
        self._stamp: tuple[int, int] | None = None
        self._checked = float("-inf")

    def _current(self, *, now: float) -> str:
        if now - self._checked < _TOKEN_CHECK:
            return self._header
        try:
            found = self._path.stat()
            stamp = (found.st_mtime_ns, found.st_ino)
            if stamp != self._stamp:
                self._header, self._stamp = f"Bearer {self._path.read_text().strip()}", stamp
        except OSError as exc:
            raise ConfigError(f"token file {self._path}: {exc}") from exc
        self._checked = now
        return self._header

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        sent = request.headers["Authorization"] = self._current(now=time.monotonic())
        response = yield request
        if response.status_code != 401:
            return
        self._checked = float("-inf")
        fresh = self._current(now=time.monotonic())
        if fresh != sent:
            request.headers["Authorization"] = fresh
            yield request


class ExecAuth(httpx2.Auth):
    """A credential plugin: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins

    Tokens only; a plugin that answers with a client certificate is refused with a clear error.
    """

    def __init__(self, command: dict[str, Any], directory: Path) -> None:
        self._command = command
        self._directory = directory
        self._token = ""
        self._expires = float("inf")

    async def async_auth_flow(
        self, request: httpx2.Request
    ) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        if not self._token or time.time() >= self._expires - 10:
            await self._run()
        request.headers["Authorization"] = f"Bearer {self._token}"
        response = yield request
        if response.status_code == 401:
            await self._run()
            request.headers["Authorization"] = f"Bearer {self._token}"
            yield request

    async def _run(self) -> None:
        program = str(self._command["command"])
        if "/" in program and not program.startswith("/"):
            program = str(self._directory / program)
        info = {
            "apiVersion": self._command.get("apiVersion", "client.authentication.k8s.io/v1"),
            "kind": "ExecCredential",
            "spec": {"interactive": False},
        }
        added = {item["name"]: item["value"] for item in self._command.get("env") or []}
        try:
            async with asyncio.timeout(_EXEC_TIMEOUT):
                process = await asyncio.create_subprocess_exec(
                    program, *(self._command.get("args") or []),
                    env={**os.environ, **added, "KUBERNETES_EXEC_INFO": json.dumps(info)},
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
                )  # fmt: skip
                output, errors = await process.communicate()
        except OSError as exc:
            hint = self._command.get("installHint") or "install it, or use another user of the kubeconfig"
            raise ConfigError(f"credential plugin {program}: {exc}: {hint}") from exc
        except TimeoutError as exc:
            raise ConfigError(f"credential plugin {program} gave no answer in {_EXEC_TIMEOUT:.0f} s") from exc
        if process.returncode:
            raise ConfigError(
                f"credential plugin {program} ended with {process.returncode}: {errors.decode(errors='replace').strip()}"
            )
        status = json.loads(output).get("status") or {}
        if not status.get("token"):
            raise ConfigError(
                f"credential plugin {program} gave no token (client certificates are not supported)"
            )
        self._token = status["token"]
        expires = status.get("expirationTimestamp")
        self._expires = (
            datetime.fromisoformat(expires).astimezone(UTC).timestamp() if expires else float("inf")
        )
