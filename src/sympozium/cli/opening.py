"""`sympozium open`: the dashboard in a browser, signed in as whoever the kubeconfig is.

The API server is asked, with this person's token, for a one-time link; the browser that opens it first is signed in. The
token goes to the address in the ConfigMap `sympozium-server`, which administrators write, and never in clear text to
another machine. A cluster whose server has no address is reached through the Kubernetes API, by kubectl.
"""

import html
import os
import ssl
import sys
import tempfile
import webbrowser
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
import orjson

from sympozium.actions.errors import MissingError
from sympozium.actions.tunnel import Tunnel, forwarded
from sympozium.api.meta import SYSTEM_NAMESPACE
from sympozium.cli.failures import CommandError, one_line
from sympozium.cli.output import plain, say
from sympozium.cli.session import Session
from sympozium.kube.kubeconfig import Access
from sympozium.kube.resources import CONFIG_MAPS
from sympozium.privatefile import write_private

NAME: Final = "sympozium-server"
SERVICE: Final = "sympozium-apiserver"
_SECONDS: Final = 20.0
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


async def open_dashboard(session: Session, *, only_print: bool) -> int:
    """Print the link, and open it where there is a browser to open. Raises CommandError."""
    token = await bearer_token(session.client.access)
    url = await _address(session)
    if url:
        _show(await _link(url, token), only_print=only_print)
        return 0
    async with _forwarded(session) as tunnel:
        _show(await _link(f"http://{tunnel.near}", token), only_print=only_print)
        print("this tunnel stays open until you press Ctrl-C", file=sys.stderr)
        await tunnel.process.wait()
    raise CommandError("the tunnel ended: is the API server's pod still there? Run sympozium open again")


async def bearer_token(access: Access) -> str:
    """The token that this kubeconfig sends, whatever makes it: text, a file, a plugin. Raises CommandError, ConfigError."""
    auth = access.auth()
    if auth is not None:
        flow = auth.async_auth_flow(httpx2.Request("GET", access.server))
        try:
            header = (await anext(flow)).headers.get("Authorization", "")
        finally:
            await flow.aclose()
        if header.startswith("Bearer "):
            return header.removeprefix("Bearer ")
    raise CommandError(
        f"{access.source} has no token, and a browser cannot show the API server a client certificate: make a token with"
        " `kubectl create token SERVICEACCOUNT` and paste it on the dashboard's sign-in page, or set it in the kubeconfig"
        " (kubectl config set-credentials USER --token=...)"
    )


async def _address(session: Session) -> str:
    """Where the server says that it is; empty where it does not, or where pods alone reach it."""
    found = await session.client.find(CONFIG_MAPS, NAME, SYSTEM_NAMESPACE)
    url = str(((found or {}).get("data") or {}).get("url") or "").rstrip("/")
    return "" if (urlsplit(url).hostname or "").endswith(f".{SYSTEM_NAMESPACE}.svc") else url


async def _link(base: str, token: str) -> str:
    """A one-time link of the server at `base`. Raises CommandError."""
    parts = urlsplit(base)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise CommandError(
            f"the API server's address {plain(base)!r} is no URL: see ConfigMap {NAME} in {SYSTEM_NAMESPACE}"
        )
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise CommandError(
            f"{plain(base)} is not encrypted and on another machine: your token was not sent; give the server https"
        )
    try:
        async with httpx2.AsyncClient(
            timeout=_SECONDS, trust_env=False, verify=ssl.create_default_context()
        ) as http:
            answer = await http.post(
                f"{base}/api/v1/session/links", headers={"Authorization": f"Bearer {token}"}
            )
    except httpx2.HTTPError as exc:
        words = one_line(str(exc)) or type(exc).__name__
        cure = (
            "set SSL_CERT_FILE to its authority"
            if "CERTIFICATE_VERIFY" in words
            else "is it running? (sympozium status)"
        )
        raise CommandError(f"the API server at {base} does not answer: {words}; {cure}") from exc
    try:
        body: Any = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        body = None
    url = body.get("url") if isinstance(body, dict) else None
    if answer.status_code != 201 or not isinstance(url, str):
        detail = str(body.get("detail") or body.get("title") or "") if isinstance(body, dict) else ""
        raise CommandError(
            f"the API server at {base} made no link ({answer.status_code}): {plain(one_line(detail))}"
        )
    return str(plain(url))


def _show(url: str, *, only_print: bool) -> None:
    say(url)
    if only_print:
        return
    if not _has_browser():
        print("no display here: open this link within a minute; it works once", file=sys.stderr)
    elif not webbrowser.open(_redirection(url).as_uri()):
        print("no browser was found: open this link within a minute; it works once", file=sys.stderr)


def _redirection(url: str) -> Path:
    """A page of this user alone that leads to the link: arguments of a program, as a browser gets them, can be read by
    everybody on this machine, and whoever opens the link first is signed in.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    directory = (
        Path(runtime) if runtime and Path(runtime).is_dir() else Path(tempfile.mkdtemp(prefix="sympozium-"))
    )
    page = directory / "sympozium-open.html"
    target = html.escape(url, quote=True)
    write_private(
        page, f'<!doctype html><meta http-equiv="refresh" content="0;url={target}"><title>Sympozium</title>\n'
    )
    return page


def _has_browser() -> bool:
    """Whether one can be seen: not by somebody who came by ssh. A browser that $BROWSER names counts."""
    if os.environ.get("BROWSER"):
        return True
    return sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


# -- through the Kubernetes API


@asynccontextmanager
async def _forwarded(session: Session) -> AsyncIterator[Tunnel]:
    """The server's Service on a port of this machine, as long as the block lasts. Raises CommandError, UnavailableError."""
    print(
        f"the API server has no address: reaching Service {SERVICE} through the Kubernetes API",
        file=sys.stderr,
    )
    try:
        async with forwarded(session.client, SERVICE) as tunnel:
            yield tunnel
    except MissingError:
        raise CommandError(
            f"there is no API server: neither ConfigMap {NAME} with a url nor Service {SERVICE} is in {SYSTEM_NAMESPACE}"
        ) from None
