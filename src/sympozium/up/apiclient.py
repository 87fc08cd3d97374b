"""The installer's way to the API: a synchronous session with the administrator's client certificate.

A kubeconfig of localkube is read here and nothing more general: the installer runs on this machine
alone, beside the API that it installs into.
"""

import base64
import json
import ssl
import tempfile
from pathlib import Path
from typing import Any

import httpx2
import yaml

from sympozium.up.identities import server_of

Object = dict[str, Any]
FIELD_MANAGER = "sympozium-install"


class InstallError(Exception):
    """An object could not be applied; the text names it and holds the server's words."""


class Api:
    """Get, create and server-side apply of objects by path."""

    def __init__(self, kubeconfig: Path) -> None:
        self.server, self.ca = server_of(kubeconfig)
        context = ssl.create_default_context(cadata=self.ca.decode())
        _load_client_certificate(context, kubeconfig)
        self._http = httpx2.Client(base_url=self.server, verify=context, timeout=30, trust_env=False)

    def close(self) -> None:
        self._http.close()

    def get(self, path: str) -> Object | None:
        """None where there is nothing at the path."""
        answer = self._http.get(path)
        if answer.status_code == 404:
            return None
        return self._decoded(answer, path)

    def create(self, path: str, obj: Object) -> Object | None:
        """None where it exists already."""
        answer = self._http.post(path, json=obj)
        if answer.status_code == 409:
            return None
        return self._decoded(answer, path)

    def apply(self, path: str, obj: Object) -> Object:
        """Server-side apply; what others own and we do not name stays as it is."""
        answer = self._http.patch(
            path,
            content=json.dumps(obj),
            params={"fieldManager": FIELD_MANAGER, "force": "true", "fieldValidation": "Strict"},
            headers={"Content-Type": "application/apply-patch+yaml"},
        )
        return self._decoded(answer, path)

    def _decoded(self, answer: httpx2.Response, path: str) -> Object:
        try:
            decoded: Object = answer.json()
        except ValueError:
            decoded = {"message": answer.text}
        if answer.status_code >= 400:
            raise InstallError(f"{path}: {decoded.get('message')}")
        return decoded


def _load_client_certificate(context: ssl.SSLContext, kubeconfig: Path) -> None:
    config = yaml.safe_load(kubeconfig.read_text())
    user = config["users"][0]["user"]
    if "client-certificate" in user:
        context.load_cert_chain(user["client-certificate"], user["client-key"])
        return
    # OpenSSL reads certificates from files alone.
    with tempfile.TemporaryDirectory() as directory:
        certificate, key = Path(directory, "crt"), Path(directory, "key")
        certificate.write_bytes(base64.b64decode(user["client-certificate-data"]))
        key.touch(mode=0o600)
        key.write_bytes(base64.b64decode(user["client-key-data"]))
        context.load_cert_chain(certificate, key)
