"""`fetch_url`: read a page of the public internet, and nothing that only this network can reach.

The name is resolved once, every address it has must be public (or the relay of the run's node, for names that its
policy allows), and the connection is made to the checked address, so that a second answer of the name server cannot
lead inside. A redirect is a new URL and goes through the same. No proxy but the installation's egress component, no cookies, no credentials in the URL.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import re
import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from sympozium.hosts import in_url
from sympozium.policy.network import RELAYED
from sympozium.tools.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_BYTES = 4 * 1024 * 1024
MAX_REDIRECTS = 5
TIMEOUT = 30.0
_ODD = re.compile(r"[^!-~]|\\")
_REFUSED_HEADERS = frozenset(
    {"host", "connection", "content-length", "transfer-encoding", "accept-encoding", "upgrade"}
)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class FetchError(Exception):
    """The URL is refused or could not be read; the text is for the model."""


@dataclass(frozen=True, slots=True)
class Page:
    """What came back. `body` has at most MAX_BYTES; `truncated` says whether there was more."""

    url: str
    status: int
    content_type: str
    body: bytes
    truncated: bool


def is_public(address: Address) -> bool:
    """Whether an address is of the public internet: not private, loopback, link-local (which the
    metadata services of clouds are), shared, multicast or reserved, also not mapped into IPv6.
    """
    if isinstance(address, ipaddress.IPv6Address):
        if any(address in network for network in _INSIDE):
            return False
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
    return address.is_global and not address.is_multicast and not address.is_reserved


_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_INSIDE = (
    ipaddress.IPv6Network("::/96"),  # IPv4 written as IPv6, the old way
    ipaddress.IPv6Network("64:ff9b:1::/48"),  # NAT64 of a local network (RFC 8215)
    ipaddress.IPv6Network("fec0::/10"),
)


async def fetch(
    url: str,
    *,
    headers: dict[str, str] | None = None,
    allowed: Callable[[Address], bool] = is_public,
    permitted: Callable[[str, int, list[str]], bool] = lambda _host, _port, _addresses: True,
    refused: Callable[[str], str | None] = lambda _url: None,
) -> Page:
    """GET `url`, following at most MAX_REDIRECTS redirects. FetchError says what was refused, and why.

    `permitted(host, port, addresses)` is what the run's network policy says; `allowed` is about the addresses of what it
    permits; `refused(url)` is why a redirect must not be followed.
    """
    try:
        async with asyncio.timeout(TIMEOUT):
            for _ in range(MAX_REDIRECTS + 1):
                page, location = await _once(url, headers or {}, allowed, permitted)
                if location is None:
                    return page
                following = urljoin(url, location)
                if reason := refused(following):
                    raise FetchError(
                        f"{url} redirects to {following}, which was not followed: {reason}; call fetch_url with that URL"
                    )
                url = following
                headers = {}  # what was meant for one host is not for the next
    except TimeoutError:
        raise FetchError(f"{url} did not answer within {TIMEOUT:g} s") from None
    raise FetchError(f"{url}: more than {MAX_REDIRECTS} redirects")


async def _once(
    url: str,
    headers: dict[str, str],
    allowed: Callable[[Address], bool],
    permitted: Callable[[str, int, list[str]], bool],
) -> tuple[Page, str | None]:
    host, port, secure, target = _parts(url)
    proxy = _proxy()
    addresses = await _resolve(host, port, relayed=proxy is not None)
    if not permitted(host, port, addresses):
        raise FetchError(
            f"the policy of this run does not allow connections to {host}:{port} (networkPolicy.allowedEgress)"
        )
    _check(host, addresses, allowed)
    context = ssl.create_default_context() if secure else None
    try:
        if proxy is not None:
            reader, writer = await proxy.connect(host, port, context)
        else:
            reader, writer = await asyncio.open_connection(
                addresses[0], port, ssl=context, server_hostname=host if secure else None
            )
    except OSError as error:
        raise FetchError(f"{url} cannot be reached: {error}") from error
    try:
        return await _exchange(url, host, port, target, headers, reader, writer)
    except OSError as error:
        raise FetchError(f"{url}: the connection broke: {error}") from error
    finally:
        writer.close()


def _parts(url: str) -> tuple[str, int, bool, str]:
    if _ODD.search(url):
        # Readers of URLs differ in what they make of these; what was judged must be what is sent.
        raise FetchError(
            f"{url!r}: only printable ASCII without blanks and backslashes; percent-encode the path, write the host in punycode"
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise FetchError(f"{url!r} is no URL: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise FetchError(f"{url!r}: only http:// and https:// URLs with a host are read")
    if parts.username or parts.password:
        raise FetchError("credentials in a URL are refused; the request is on the record")
    secure = parts.scheme == "https"
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return parts.hostname, port or (443 if secure else 80), secure, target


def _proxy() -> Proxy | None:
    """The egress component, where the run's network is open to it alone: the controller has set it."""
    url = os.environ.get("HTTPS_PROXY")
    return Proxy(url) if url else None


async def _resolve(host: str, port: int, *, relayed: bool) -> list[str]:
    """With `relayed` a name may be unknown here: the relay resolves it, and judges where it leads."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=1)
    except (OSError, UnicodeError) as error:
        if relayed:
            return []
        raise FetchError(f"the name {host} cannot be resolved: {error}") from error
    return [str(info[4][0]).split("%")[0] for info in found]


def _check(host: str, addresses: list[str], allowed: Callable[[Address], bool]) -> None:
    """Refuse what is not public. Only after the policy has spoken: a name that it allows may be relayed, by the node,
    which resolves it and judges where it leads when the connection is made.
    """
    for address in map(ipaddress.ip_address, addresses):
        if address in RELAYED and _is_name(host):
            continue
        # All, not the chosen one: a name that also points inside is an attempt or a mistake.
        if not allowed(address):
            raise FetchError(
                f"{host} is {address}, which is not of the public internet; private, loopback, link-local and "
                "metadata addresses are refused"
            )


def _is_name(host: str) -> bool:
    """Not a spelling of an address: those go where they say."""
    try:
        socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST)
    except OSError:
        return True
    return False


async def _exchange(
    url: str,
    host: str,
    port: int,
    target: str,
    headers: dict[str, str],
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> tuple[Page, str | None]:
    import h11

    name = in_url(host)
    sent = [("Host", name if port in (80, 443) else f"{name}:{port}"), ("Connection", "close")]
    sent += [("Accept-Encoding", "identity"), ("User-Agent", "sympozium-fetch/1")]
    for key, value in headers.items():
        if key.lower() in _REFUSED_HEADERS:
            raise FetchError(f"the header {key} cannot be set")
        sent.append((key, value))
    connection = h11.Connection(our_role=h11.CLIENT)
    try:
        request = connection.send(h11.Request(method="GET", target=target, headers=sent))
        assert request is not None
        writer.write(request + (connection.send(h11.EndOfMessage()) or b""))
        await writer.drain()
        return await _response(url, connection, reader)
    except h11.LocalProtocolError as error:
        raise FetchError(f"a header is not valid: {error}") from error
    except h11.RemoteProtocolError as error:
        raise FetchError(f"{url} answered what is not HTTP: {error}") from error


async def _response(url: str, connection: Any, reader: asyncio.StreamReader) -> tuple[Page, str | None]:
    import h11

    body, status, fields, truncated = bytearray(), 0, {}, False
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(1 << 16))
        elif isinstance(event, h11.Response):
            status = event.status_code
            fields = {key.decode().lower(): value.decode(errors="replace") for key, value in event.headers}
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > MAX_BYTES:
                del body[MAX_BYTES:]
                truncated = True
                break
        elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
            break
    page = Page(url, status, fields.get("content-type", ""), bytes(body), truncated)
    redirected = status in (301, 302, 303, 307, 308) and "location" in fields
    return page, fields["location"] if redirected else None
