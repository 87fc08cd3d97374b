"""Find and read a kubeconfig as kubectl does, and authenticate requests by it.

Order: an explicit path; the files of `KUBECONFIG`, merged (the first to name a thing wins); `~/.kube/config`;
the ServiceAccount mounted into a pod.
https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/

lightkube's loader looks into the pod first, reads one file, and refuses the v1 exec protocol, so this is ours
(docs/decisions/0007-kube-client.md).
"""

import base64
import json
import os
import ssl
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sympozium.hosts import in_url
from sympozium.kube.errors import ConfigError

if TYPE_CHECKING:  # completion at a prompt has no time for it
    import httpx2

SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")


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

    @property
    def token(self) -> str:
        """The token that stands in the kubeconfig, or now in the file that it names; empty where a plugin makes one."""
        if token_file := self.user.get("tokenFile"):
            return Path(self.directory, token_file).read_text().strip()
        return str(self.user.get("token") or "")

    def auth(self) -> "httpx2.Auth | None":
        """Authentication beside a client certificate. Raises ConfigError for what is not supported."""
        import httpx2

        from sympozium.kube.auth import BearerAuth, ExecAuth, TokenFileAuth

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
    # In a pod the user may have no home; then the path stays as it is, which is no file.
    default = Path(os.path.expanduser("~/.kube/config"))  # noqa: PTH111 - pathlib's raises there
    return [default] if default.is_file() else []


def _read(file: Path) -> dict[str, Any]:
    import yaml

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
    namespace = (SERVICE_ACCOUNT / "namespace").read_text().strip()
    cluster = {"certificate-authority": str(SERVICE_ACCOUNT / "ca.crt")}
    user = {"tokenFile": str(SERVICE_ACCOUNT / "token")}
    return Access(f"https://{in_url(host)}:{port}", namespace, "the pod's ServiceAccount", cluster, user)
