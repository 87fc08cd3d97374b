"""Find and read a kubeconfig as kubectl does, and authenticate requests by it.

Order: an explicit path; the files of `KUBECONFIG`, merged (the first to name a thing wins); `~/.kube/config`;
the ServiceAccount mounted into a pod.
https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/

lightkube's loader looks into the pod first, reads one file, and refuses the v1 exec protocol, so this is ours
(docs/decisions/0007-kube-client.md).
"""

import asyncio
import base64
import json
import os
import ssl
import tempfile
import time
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx2
import yaml

from sympozium.kube.errors import ConfigError

SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_TOKEN_CHECK: Final = 1.0
_EXEC_TIMEOUT: Final = 60.0


@dataclass(frozen=True, slots=True)
class Access:
    """One server and how to speak to it. `source` names the file, for error messages."""

    server: str
    namespace: str
    source: str
    cluster: dict[str, Any] = field(repr=False)
    user: dict[str, Any] = field(repr=False)
    directory: Path = field(default=Path())

    @property
    def ca(self) -> bytes | None:
        """The certificate authority of the server (PEM); None where the system's are trusted."""
        return self._content(self.cluster, "certificate-authority")

    def tls(self) -> ssl.SSLContext:
        """Verification of the server and, where the user has one, the client certificate."""
        if self.cluster.get("insecure-skip-tls-verify"):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        else:
            context = ssl.create_default_context(cadata=self.ca.decode() if self.ca else None)
        certificate = self._content(self.user, "client-certificate")
        key = self._content(self.user, "client-key")
        if certificate and key:
            _load_certificate(context, certificate, key)
        return context

    def auth(self) -> httpx2.Auth | None:
        """Authentication beside a client certificate. Raises ConfigError for what is not supported."""
        if token_file := self.user.get("tokenFile"):
            return TokenFileAuth(self.directory / token_file)
        if token := self.user.get("token"):
            return BearerAuth(token)
        if command := self.user.get("exec"):
            return ExecAuth(command, self.directory)
        if self.user.get("username") and self.user.get("password"):
            return httpx2.BasicAuth(self.user["username"], self.user["password"])
        if self.user.get("auth-provider"):
            raise ConfigError(f"{self.source}: auth-provider was removed from Kubernetes: use an exec plugin")
        return None

    def _content(self, section: dict[str, Any], key: str) -> bytes | None:
        if data := section.get(f"{key}-data"):
            return base64.b64decode(data)
        if path := section.get(key):
            try:
                return Path(self.directory, path).read_bytes()
            except OSError as exc:
                raise ConfigError(f"{self.source}: {key}: {exc}") from exc
        return None


def _load_certificate(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """`ssl` reads certificates from files alone; the private key is on disk for that moment, for its owner."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(certificate.rstrip() + b"\n" + key)
        file.flush()
        context.load_cert_chain(file.name)


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


def load(path: Path | None = None, *, context: str | None = None) -> Access:
    """The access that `context` (default: the current one) of the kubeconfig names. Raises ConfigError."""
    files = [path] if path else _candidates()
    if not files:
        return _in_cluster()
    merged: dict[str, dict[str, tuple[dict[str, Any], Path]]] = {"clusters": {}, "users": {}, "contexts": {}}
    current = context or ""
    for file in files:
        document = _read(file)
        current = current or document.get("current-context") or ""
        for section, key in (("clusters", "cluster"), ("users", "user"), ("contexts", "context")):
            for item in document.get(section) or []:
                merged[section].setdefault(item["name"], (item.get(key) or {}, file.parent))
    source = ":".join(map(str, files))
    if not current:
        raise ConfigError(f"{source}: no current-context: kubectl config use-context NAME")
    chosen, _ = _named(merged["contexts"], current, "context", source)
    cluster, directory = _named(merged["clusters"], chosen.get("cluster", ""), "cluster", source)
    user: dict[str, Any] = {}
    if chosen.get("user"):
        user, user_directory = _named(merged["users"], chosen["user"], "user", source)
        user = _absolute(user, user_directory)
    if not cluster.get("server"):
        raise ConfigError(f"{source}: cluster {chosen.get('cluster')!r} has no server")
    return Access(cluster["server"], chosen.get("namespace") or "default", source, cluster, user, directory)


def _absolute(user: dict[str, Any], directory: Path) -> dict[str, Any]:
    """Relative paths are relative to the file they stand in, which may not be the cluster's."""
    keys = ("tokenFile", "client-certificate", "client-key")
    return {key: str(directory / value) if key in keys else value for key, value in user.items()}


def _candidates() -> list[Path]:
    if named := os.environ.get("KUBECONFIG"):
        files = [Path(part).expanduser() for part in named.split(os.pathsep) if part]
        present = [file for file in files if file.is_file()]
        if not present:
            raise ConfigError(f"KUBECONFIG names no file that exists: {named}")
        return present
    default = Path("~/.kube/config").expanduser()
    return [default] if default.is_file() else []


def _read(file: Path) -> dict[str, Any]:
    try:
        # JSON is what `sympozium up` writes, and a tenth of the time of YAML.
        text = file.read_text()
        document = json.loads(text) if text.lstrip().startswith("{") else yaml.load(text, yaml.CSafeLoader)
    except OSError as exc:
        raise ConfigError(f"kubeconfig {file}: {exc.strerror}") from exc
    except (yaml.YAMLError, ValueError) as exc:
        raise ConfigError(f"kubeconfig {file} is not YAML: {exc}") from exc
    if not isinstance(document, dict):
        raise ConfigError(f"kubeconfig {file} is empty or not a mapping")
    return document


def _named(
    items: dict[str, tuple[dict[str, Any], Path]], name: str, what: str, source: str
) -> tuple[dict[str, Any], Path]:
    if name not in items:
        raise ConfigError(f"{source}: there is no {what} {name!r}; there are {sorted(items) or 'none'}")
    return items[name]


def _in_cluster() -> Access:
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host or not (SERVICE_ACCOUNT / "token").is_file():
        raise ConfigError(
            "no kubeconfig: KUBECONFIG is not set, ~/.kube/config is not there, and this is no pod"
        )
    host = f"[{host}]" if ":" in host else host
    namespace = (SERVICE_ACCOUNT / "namespace").read_text().strip()
    cluster = {"certificate-authority": str(SERVICE_ACCOUNT / "ca.crt")}
    user = {"tokenFile": str(SERVICE_ACCOUNT / "token")}
    return Access(f"https://{host}:{port}", namespace, "the pod's ServiceAccount", cluster, user)
