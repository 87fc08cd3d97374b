"""HTTPS to webhooks: verified against the configuration's caBundle, with connections kept open.

One client for each caBundle, made at its first call (the HTTP library is not imported before). Proxies
and redirects are not followed: what a webhook sees is Secrets too, and it goes to the URL that an
administrator wrote, or to an endpoint of the Service they named.
"""

import asyncio
import base64
import binascii
import json
import ssl
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from sympozium.hosts import in_url
from sympozium.localkube.access.objects import Objects
from sympozium.localkube.admission.webhooks.hook import Hook
from sympozium.localkube.types import Object

if TYPE_CHECKING:
    import httpx2

CLIENTS = 32
LIMIT = 8 * 1024 * 1024
"""Bytes of an answer; a patched object can be no larger than a request body."""


class CallError(Exception):
    """The webhook could not be asked, in the words of kube-apiserver (`Post "https://...": ...`)."""


class AnswerError(CallError):
    """It was asked, and its answer is none: shown without the URL, as client-go does."""


class Transport:
    """Posts reviews. `close()` ends the connections."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._clients: dict[str, httpx2.AsyncClient] = {}

    async def post(self, hook: Hook, body: bytes) -> bytes:
        """The answer's body. Raises CallError, also when the webhook's timeout has passed."""
        shown = f'Post "{_shown(hook)}?timeout={hook.timeout:g}s"'
        try:
            async with asyncio.timeout(hook.timeout):
                url, host = self._target(hook)
                return await self._post(hook, url, host, body)
        except TimeoutError as error:
            raise CallError(f"{shown}: context deadline exceeded") from error
        except AnswerError as error:
            raise CallError(str(error)) from error
        except CallError as error:
            raise CallError(f"{shown}: {error}") from error

    async def _post(self, hook: Hook, url: str, host: str, body: bytes) -> bytes:
        import httpx2

        try:
            return await self._once(hook, url, host, body)
        except httpx2.RemoteProtocolError:
            # A kept connection that the webhook closed at this moment: ask once more on a new one.
            pass
        except httpx2.HTTPError as error:
            raise CallError(_text(error)) from error
        try:
            return await self._once(hook, url, host, body)
        except httpx2.HTTPError as error:
            raise CallError(_text(error)) from error

    async def _once(self, hook: Hook, url: str, host: str, body: bytes) -> bytes:
        """Reads no more of an answer than LIMIT. Raises httpx2.HTTPError, AnswerError."""
        extensions = {"sni_hostname": host} if host else {}
        headers = {"content-type": "application/json", "accept": "application/json"}
        async with self._client(hook).stream(
            "POST",
            url,
            content=body,
            params={"timeout": f"{hook.timeout:g}s"},
            headers=headers,
            extensions=extensions,
        ) as answer:
            parts: list[bytes] = []
            size = 0
            async for part in answer.aiter_bytes():
                size += len(part)
                if size > LIMIT:
                    raise AnswerError(f"the answer has more than {LIMIT} bytes")
                parts.append(part)
        raw = b"".join(parts)
        if answer.status_code != 200:
            raise AnswerError(_refused(answer.status_code, raw))
        return raw

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
        """The URL to call, and for a Service the name that its certificate must have."""
        if url := hook.client.get("url"):
            if urlsplit(url).scheme != "https":
                raise CallError(f'clientConfig.url "{url}" must be https')
            return str(url).rstrip("?"), ""
        service: Object = hook.client.get("service") or {}
        namespace, name = service.get("namespace", ""), service.get("name", "")
        address = self._endpoint(namespace, name, int(service.get("port") or 443))
        return f"https://{address}{_path(service)}", f"{name}.{namespace}.svc"

    def _endpoint(self, namespace: str, name: str, port: int) -> str:
        """An address behind the Service's port: on one machine nothing routes cluster IPs."""
        service = self._objects.get("", "services", namespace, name)
        if service is None:
            raise CallError(f'service "{name}" not found')
        ports = (service.get("spec") or {}).get("ports") or ()
        wanted = next((one for one in ports if one.get("port") == port), None)
        if ports and wanted is None:
            raise CallError(f'no service port {port} found for service "{name}"')
        endpoints = self._objects.get("", "endpoints", namespace, name) or {}
        for subset in endpoints.get("subsets") or ():
            for address in subset.get("addresses") or ():
                for target in subset.get("ports") or ():
                    if wanted is None or target.get("name", "") == wanted.get("name", ""):
                        return f"{in_url(address['ip'])}:{target['port']}"
        raise CallError(f'no endpoints available for service "{name}"')

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


def _path(service: Object) -> str:
    return quote(service.get("path") or "", safe="/")


def _shown(hook: Hook) -> str:
    """The URL in messages: a Service by its name, whatever address is behind it."""
    if url := hook.client.get("url"):
        return str(url).rstrip("?")
    service: Object = hook.client.get("service") or {}
    port = int(service.get("port") or 443)
    return f"https://{service.get('name', '')}.{service.get('namespace', '')}.svc:{port}{_path(service)}"


_MEANINGS = {
    401: "Unauthorized",
    403: "forbidden: unknown",
    404: "the server could not find the requested resource",
    405: "the server does not allow this method on the requested resource",
    429: "the server has received too many requests and has asked us to try again later",
}


def _refused(code: int, raw: bytes) -> str:
    """What client-go makes of an answer that is not 200."""
    if code in _MEANINGS:
        return _MEANINGS[code]
    said = raw[:2048].decode("utf-8", "replace").strip() or "unknown"
    if code >= 500:
        return f"an error on the server ({json.dumps(said)}) has prevented the request from succeeding"
    return f"the server responded with the status code {code} but did not return more details"
