"""Lets checks that know two bearer tokens speak to a server that knows other credentials.

The recorded checks send TOKEN (an administrator) and ALICE (user alice, group devs, without rights). Here a
plain HTTP server on loopback takes these, and passes each request on with the credentials of a kubeconfig:
the administrator's as they are, alice's by a client certificate that the server signs for her, or, where it signs
none, by impersonation. Any other request goes on without credentials of ours. Answers are passed on as they come.
"""

import base64
import http.client
import http.server
import ipaddress
import json
import os
import ssl
import tempfile
import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sympozium.kube.kubeconfig import Access

ADMIN, ALICE = "gateway-admin", "gateway-alice"
HOP = {"connection", "transfer-encoding", "keep-alive", "host"}
SIGNER = "kubernetes.io/kube-apiserver-client"


class Credentials:
    """How one of the three identities reaches the server."""

    def __init__(self, access: Access, context: ssl.SSLContext, headers: dict[str, str]) -> None:
        self.address = urlsplit(access.server)
        self.context = context
        self.headers = headers

    def connect(self) -> http.client.HTTPSConnection:
        assert self.address.hostname
        return http.client.HTTPSConnection(
            self.address.hostname, self.address.port or 443, context=self.context, timeout=3600
        )

    def ask(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Any:
        """The decoded answer. Raises RuntimeError with the server's words when it is no success."""
        connection = self.connect()
        try:
            raw = None if body is None else json.dumps(body)
            connection.request(method, path, raw, {**self.headers, "Content-Type": content_type})
            answer = connection.getresponse()
            text = answer.read()
            if answer.status >= 400:
                raise RuntimeError(f"{method} {path}: {answer.status} {text.decode(errors='replace')[:300]}")
            return json.loads(text)
        finally:
            connection.close()


def administrator(access: Access) -> Credentials:
    """Raises RuntimeError for credentials that are no token and no client certificate."""
    user = access.user
    token = user.get("token", "")
    if "tokenFile" in user:
        token = Path(access.directory, user["tokenFile"]).read_text().strip()
    if not token and not any(key.startswith("client-certificate") for key in user):
        raise RuntimeError(
            f"{access.source}: the user needs a token or a client certificate for these checks"
        )
    return Credentials(access, access.tls(), {"Authorization": f"Bearer {token}"} if token else {})


def nobody(access: Access) -> Credentials:
    bare = Access(access.server, "", access.source, access.cluster, {}, access.directory)
    return Credentials(bare, bare.tls(), {})


def alice(access: Access, admin: Credentials) -> tuple[Credentials, str]:
    """Her credentials, and in words how she came by them."""
    if token := os.environ.get("ALICE"):
        return Credentials(
            access, nobody(access).context, {"Authorization": f"Bearer {token}"}
        ), "by the token ALICE"
    try:
        context = _signed(access, admin)
    except RuntimeError as refused:
        headers = {**admin.headers, "Impersonate-User": "alice", "Impersonate-Group": "devs"}
        return Credentials(access, admin.context, headers), f"by impersonation (no certificate: {refused})"
    return Credentials(access, context, {}), "by a client certificate"


def _signed(access: Access, admin: Credentials) -> ssl.SSLContext:
    certificate, private = signed(admin, "alice", "devs", SIGNER, "client auth")
    context = nobody(access).context
    with tempfile.NamedTemporaryFile() as file:
        file.write(certificate + b"\n" + private)
        file.flush()
        context.load_cert_chain(file.name)
    return context


def signed(
    admin: Credentials, name: str, group: str, signer: str, *usages: str, addresses: Iterable[str] = ()
) -> tuple[bytes, bytes]:
    """A certificate (PEM) of the server's authority and its key. Raises RuntimeError when nothing signs it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = [
        x509.NameAttribute(NameOID.COMMON_NAME, name),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, group),
    ]
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject))
    if addresses:
        names = [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    request = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    path = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
    asked = f"conformance-{uuid.uuid4().hex[:8]}"
    spec = {"request": base64.b64encode(request).decode(), "signerName": signer, "usages": list(usages)}
    made = admin.ask("POST", path, {"metadata": {"name": asked}, "spec": spec})
    try:
        condition = {"type": "Approved", "status": "True", "reason": "Conformance", "message": "tests"}
        made["status"] = {"conditions": [condition]}
        # Unconditional: the server's own approver may have written meanwhile.
        del made["metadata"]["resourceVersion"]
        admin.ask("PUT", f"{path}/{asked}/approval", made)
        certificate = _certificate(admin, f"{path}/{asked}")
    finally:
        admin.ask("DELETE", f"{path}/{asked}")
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate, private


def _certificate(admin: Credentials, path: str) -> bytes:
    end = time.monotonic() + 15
    while time.monotonic() < end:
        found = admin.ask("GET", path).get("status", {}).get("certificate")
        if found:
            return base64.b64decode(found)
        threading.Event().wait(0.2)
    raise RuntimeError("nothing signs certificates within 15 s")


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    identities: dict[str, Credentials]

    def _pass_on(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else None
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        who = self.identities.get(token)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP}
        if who is None:
            who = self.identities[""]
        else:
            headers.pop("Authorization", None)
            headers = {**headers, **who.headers}
        connection = who.connect()
        try:
            connection.request(self.command, self.path, body, headers)
            self._answer(connection.getresponse())
        except (OSError, http.client.HTTPException):
            self.close_connection = True
        finally:
            connection.close()

    def _answer(self, answer: http.client.HTTPResponse) -> None:
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in HOP:
                self.send_header(name, value)
        sized = answer.getheader("Content-Length") is not None or answer.status in {204, 304}
        if not sized:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if self.command == "HEAD" or answer.status in {204, 304}:
            return
        while chunk := answer.read1(65536):
            self.wfile.write(chunk if sized else b"%x\r\n%s\r\n" % (len(chunk), chunk))
        if not sized:
            self.wfile.write(b"0\r\n\r\n")

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = _pass_on  # noqa: N815 - http.server asks for these names

    def log_message(self, _format: str, *_arguments: object) -> None:
        """Quiet."""


@contextmanager
def serve(access: Access) -> Iterator[tuple[str, Credentials, str]]:
    """Base URL, the administrator, and in words how alice is known."""
    admin = administrator(access)
    someone, how = alice(access, admin)
    identities = {ADMIN: admin, ALICE: someone, "": nobody(access)}
    handler = type("Handler", (_Handler,), {"identities": identities})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", admin, how
        finally:
            server.shutdown()
