"""HTTPS to webhooks: verified against the configuration's caBundle, with connections kept open.

One client for each caBundle, made at its first call (the HTTP library is not imported before). Proxies
and redirects are not followed: what a webhook sees is Secrets too, and it goes to the URL that an
administrator wrote, or to an endpoint of the Service they named.
"""

import asyncio
import base64
import binascii
import ssl
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from sympozium.localkube.access.objects import Objects
from sympozium.localkube.admission.webhooks.hook import Hook

if TYPE_CHECKING:
    import httpx2

    from sympozium.localkube.types import Object

CLIENTS = 32
LIMIT = 8 * 1024 * 1024
"""Bytes of an answer; a patched object can be no larger than a request body."""


class CallError(Exception):
    """The webhook could not be asked, in the words of kube-apiserver (`Post "https://...": ...`)."""


class Transport:
    """Posts reviews. `close()` ends the connections."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._clients: dict[str, httpx2.AsyncClient] = {}

    async def post(self, hook: Hook, body: bytes) -> bytes:
        """The answer's body. Raises CallError, also when the webhook's timeout has passed."""
        url, host = self._target(hook)
        shown = f'Post "{url}?timeout={hook.timeout:g}s"'
        try:
            async with asyncio.timeout(hook.timeout):
                return await self._post(hook, url, host, body)
        except TimeoutError as error:
            raise CallError(f"{shown}: context deadline exceeded") from error
        except CallError as error:
            raise CallError(f"{shown}: {error}") from error

    async def _post(self, hook: Hook, url: str, host: str, body: bytes) -> bytes:
        import httpx2

        client = self._client(hook)
        extensions = {"sni_hostname": host} if host else {}
        for attempt in (1, 2):
            try:
                answer = await client.post(
                    url,
                    content=body,
                    params={"timeout": f"{hook.timeout:g}s"},
                    headers={"content-type": "application/json", "accept": "application/json"},
                    extensions=extensions,
                )
            except httpx2.RemoteProtocolError as error:
                # A kept connection that the webhook closed at this moment: ask once more on a new one.
                if attempt == 2:
                    raise CallError(_text(error)) from error
            except httpx2.HTTPError as error:
                raise CallError(_text(error)) from error
            else:
                break
        if answer.status_code != 200:
            raise CallError(f"the server answered with HTTP status {answer.status_code}")
        if len(answer.content) > LIMIT:
            raise CallError(f"the answer has {len(answer.content)} bytes; the limit is {LIMIT}")
        return answer.content

    def _client(self, hook: Hook) -> "httpx2.AsyncClient":
        import httpx2

        bundle = hook.client.get("caBundle") or ""
        client = self._clients.get(bundle)
        if client is None:
            if len(self._clients) >= CLIENTS:
                # A rotating caBundle leaves clients behind; their idle connections are dropped with them.
                self._clients.pop(next(iter(self._clients)))
            client = self._clients[bundle] = httpx2.AsyncClient(
                verify=_context(bundle), trust_env=False, follow_redirects=False, timeout=None
            )
        return client

    def _target(self, hook: Hook) -> tuple[str, str]:
        """The URL, and for a Service the name that its certificate must have."""
        if url := hook.client.get("url"):
            if urlsplit(url).scheme != "https":
                raise CallError(f'clientConfig.url "{url}" must be https')
            return str(url).rstrip("?"), ""
        service: Object = hook.client.get("service") or {}
        namespace, name = service.get("namespace", ""), service.get("name", "")
        port = int(service.get("port") or 443)
        address = self._endpoint(namespace, name, port)
        path = quote(service.get("path") or "", safe="/")
        return f"https://{address}{path}", f"{name}.{namespace}.svc"

    def _endpoint(self, namespace: str, name: str, port: int) -> str:
        """An address of the Service from its Endpoints: on one machine nothing routes cluster IPs."""
        if self._objects.get("", "services", namespace, name) is None:
            raise CallError(f'service "{name}" not found in namespace "{namespace}"')
        endpoints = self._objects.get("", "endpoints", namespace, name) or {}
        for subset in endpoints.get("subsets") or ():
            for address in subset.get("addresses") or ():
                for target in subset.get("ports") or ():
                    ip = address["ip"]
                    return f"[{ip}]:{target['port']}" if ":" in ip else f"{ip}:{target['port']}"
        raise CallError(
            f'no endpoints available for service "{name}" (port {port}): '
            "create Endpoints for it, or use clientConfig.url"
        )

    async def close(self) -> None:
        clients, self._clients = self._clients, {}
        for client in clients.values():
            await client.aclose()


def _context(bundle: str) -> ssl.SSLContext:
    if not bundle:
        return ssl.create_default_context()
    try:
        pem = base64.b64decode(bundle, validate=True).decode()
        context = ssl.create_default_context(cadata=pem)
    except (binascii.Error, UnicodeDecodeError, ssl.SSLError, ValueError) as error:
        raise CallError(f"clientConfig.caBundle is not base64 of PEM certificates: {error}") from error
    # A webhook's own certificate may stand in its caBundle without being a CA.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def _text(error: Exception) -> str:
    return str(error) or type(error).__name__
