"""A client of a Kubernetes API that costs next to nothing: one TLS connection, blocking, HTTP/1.1 kept alive.

The load generator must not be what is measured. Each worker process owns one connection; a request is one
write and, as a rule, one read.
"""

import base64
import contextlib
import json
import os
import socket
import ssl
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import yaml


@dataclass(frozen=True)
class Address:
    """A server and who we are to it; picklable, so that workers can have it."""

    host: str
    port: int
    ca: bytes
    token: str = ""
    certificate: bytes = b""
    key: bytes = b""

    @classmethod
    def of(cls, kubeconfig: Path) -> Self:
        """The current context of a kubeconfig with a token or a client certificate."""
        config = yaml.safe_load(kubeconfig.read_text())
        context = _named(config["contexts"], config["current-context"])["context"]
        cluster = _named(config["clusters"], context["cluster"])["cluster"]
        user = _named(config["users"], context["user"])["user"]
        server = urlsplit(cluster["server"])
        return cls(
            host=server.hostname or "127.0.0.1",
            port=server.port or 443,
            ca=_data(cluster, "certificate-authority", kubeconfig.parent),
            token=user.get("token", ""),
            certificate=_data(user, "client-certificate", kubeconfig.parent),
            key=_data(user, "client-key", kubeconfig.parent),
        )

    def tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cadata=self.ca.decode())
        if self.certificate:
            with tempfile.TemporaryDirectory() as directory:
                certificate, key = Path(directory, "crt"), Path(directory, "key")
                certificate.write_bytes(self.certificate)
                key.touch(0o600)
                key.write_bytes(self.key)
                context.load_cert_chain(certificate, key)
        return context


def _named(entries: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(entry for entry in entries if entry["name"] == name)


def _data(entry: dict[str, Any], name: str, directory: Path) -> bytes:
    if f"{name}-data" in entry:
        return base64.b64decode(entry[f"{name}-data"])
    return (directory / entry[name]).read_bytes() if name in entry else b""


class Connection:
    """One connection. Raises OSError (also TimeoutError) when the server does not answer."""

    def __init__(self, address: Address, *, timeout: float = 60.0) -> None:
        plain = socket.create_connection((address.host, address.port), timeout)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = address.tls().wrap_socket(plain, server_hostname=address.host)
        self._buffer = b""
        token = f"Authorization: Bearer {address.token}\r\n" if address.token else ""
        self._common = f"Host: {address.host}\r\nUser-Agent: bench/1\r\nAccept: application/json\r\n{token}"

    def send(self, method: str, path: str, body: bytes = b"", kind: str = "application/json") -> None:
        more = f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n" if body or method != "GET" else ""
        self.socket.sendall(f"{method} {path} HTTP/1.1\r\n{self._common}{more}\r\n".encode() + body)

    def request(
        self, method: str, path: str, body: bytes = b"", kind: str = "application/json"
    ) -> tuple[int, bytes]:
        """Status and body."""
        self.send(method, path, body, kind)
        status, headers = self.head()
        if b"chunked" in headers:
            return status, b"".join(self.chunks())
        length = int(headers.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        return status, self._exactly(length)

    def json(self, method: str, path: str, obj: Any = None, kind: str = "application/json") -> Any:
        """The decoded answer. Raises RuntimeError for one of 400 and above."""
        status, raw = self.request(method, path, b"" if obj is None else json.dumps(obj).encode(), kind)
        if status >= 400:
            raise RuntimeError(f"{method} {path}: {status} {raw[:500].decode(errors='replace')}")
        return json.loads(raw)

    def head(self) -> tuple[int, bytes]:
        """Status and lower-case header block of an answer."""
        head = self._until(b"\r\n\r\n")
        return int(head[9:12]), head.lower() + b"\r\n"

    def chunks(self) -> Iterator[bytes]:
        while size := int(self._until(b"\r\n"), 16):
            yield self._exactly(size + 2)[:-2]
        self._until(b"\r\n")

    def lines(self) -> Iterator[bytes]:
        """The lines of a watch whose head was read."""
        rest = b""
        for chunk in self.chunks():
            *whole, rest = (rest + chunk).split(b"\n")
            yield from whole

    def _until(self, mark: bytes) -> bytes:
        while (at := self._buffer.find(mark)) < 0:
            self._more()
        found, self._buffer = self._buffer[:at], self._buffer[at + len(mark) :]
        return found

    def _exactly(self, size: int) -> bytes:
        parts, have = [self._buffer], len(self._buffer)
        while have < size:
            part = self._read()
            parts.append(part)
            have += len(part)
        whole = b"".join(parts)
        self._buffer = whole[size:]
        return whole[:size]

    def _more(self) -> None:
        self._buffer += self._read()

    def _read(self) -> bytes:
        data = self.socket.recv(1 << 18)
        if not data:
            raise ConnectionResetError("the server closed the connection")
        return data

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident(pid: int) -> float:
    """MB of memory that a process holds now."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
