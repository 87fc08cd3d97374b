"""Model endpoints: which this machine offers, and whether one works, found out by asking it.

A trial is two requests: the list of models, and one call of a few tokens. Each failure comes back as words for a person with
what to do, since this is the first thing that a newcomer's installation does and most often the thing that is wrong.

The caller chooses where requests go, and on a cluster it is the API server that makes them. So a trial follows no
redirect, connects to the addresses that were looked at (not to a second answer of the name server), never to link-local
ones or to a cloud's metadata service, reads a bounded answer, and tells of a refusal only what an OpenAI-compatible
server puts into `error.message`. Who may ask for one at all is the caller's business.
"""

import asyncio
import ipaddress
import os
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Self
from urllib.parse import SplitResult, urlsplit

import httpx2
import orjson

from sympozium.actions.errors import UnavailableError
from sympozium.hosts import in_url

Source = Literal["env", "ollama", "rehearsal", "config", "node"]
OLLAMA: Final = "http://127.0.0.1:11434/v1"
NO_KEY: Final = "none"
"""What stands for a key where the endpoint wants none: clients of this protocol always send one."""

_CONNECT_SECONDS: Final = 5.0
_LIST_SECONDS: Final = 10.0
_ANSWER_SECONDS: Final = 60.0
_LIMIT: Final = 1024 * 1024
_SHOWN: Final = 200
_QUESTION: Final = "Answer with the one word: ready"
# 16 is the smallest that every provider takes.
_TOKENS: Final = 16
_METADATA: Final = frozenset(map(ipaddress.ip_address, ("fd00:ec2::254", "100.100.100.200", "168.63.129.16")))


class EndpointError(UnavailableError):
    """An endpoint that does not work; `cure` says what to do."""

    def __init__(self, problem: str, cure: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.cure = cure


class KeyWantedError(EndpointError):
    """The endpoint refuses the key, or that there is none, in the words of an OpenAI-compatible server."""


class NothingThereError(EndpointError):
    """Nobody listens at the address."""


@dataclass(frozen=True, slots=True)
class Found:
    """An endpoint that somebody may want, and what it lists; `problem` says why it lists nothing."""

    source: Source
    base_url: str
    provider: str
    models: tuple[str, ...] = ()
    key: str = field(default="", repr=False)
    problem: str = ""
    node: str = ""
    """Of the cluster, where it is on one."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model said to the tiny call."""

    model: str
    text: str
    ms: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Trial:
    """How a trial went. Without `problem` the endpoint works; `models` may be known also when the call failed."""

    models: tuple[str, ...] = ()
    answer: Answer | None = None
    problem: str = ""
    cure: str = ""


async def discover(environ: Mapping[str, str] = os.environ, *, ollama: str = OLLAMA) -> list[Found]:
    """What the environment names, and Ollama on its usual port; an endpoint that is not there is not in the list."""
    found = []
    if base_url := environ.get("OPENAI_BASE_URL"):
        key = environ.get("OPENAI_API_KEY") or NO_KEY
        found.append(await _listed(Found("env", base_url, provider_of(base_url), key=key)))
    elif key := environ.get("OPENAI_API_KEY", ""):
        found.append(await _listed(Found("env", "https://api.openai.com/v1", "openai", key=key)))
    local = await _listed(Found("ollama", ollama, "ollama", key=NO_KEY))
    return [*found, *([] if local.problem else [local])]


def key_of(base_url: str, environ: Mapping[str, str]) -> str | None:
    """The key that the environment gives for exactly this address."""
    named = environ.get("OPENAI_BASE_URL") or "https://api.openai.com/v1"
    return environ.get("OPENAI_API_KEY") if named.rstrip("/") == base_url.rstrip("/") else None


async def _listed(found: Found) -> Found:
    try:
        models = await models_of(found.base_url, found.key, seconds=_CONNECT_SECONDS)
    except EndpointError as exc:
        return Found(found.source, found.base_url, found.provider, key=found.key, problem=exc.problem)
    return Found(found.source, found.base_url, found.provider, tuple(models), found.key)


def provider_of(base_url: str) -> str:
    """The word by which policies know who answers: the usual one of a known host, else `openai` for the protocol."""
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    known = {"openrouter.ai": "openrouter", "api.anthropic.com": "anthropic", "api.mistral.ai": "mistral",
             "api.groq.com": "groq", "api.deepseek.com": "deepseek"}  # fmt: skip
    if parts.port == 11434:
        return "ollama"
    return next((name for end, name in known.items() if host == end or host.endswith(f".{end}")), "openai")


async def models_of(base_url: str, key: str, *, seconds: float = _LIST_SECONDS) -> list[str]:
    """The models that an endpoint lists, in its order. Raises EndpointError."""
    async with _Endpoint(base_url, key) as endpoint:
        return await _models(endpoint, seconds)


async def document(base_url: str, path: str, *, seconds: float) -> Any:
    """The JSON that an address has at a path, in the bounds of a trial. Raises EndpointError."""
    async with _Endpoint(base_url, "") as endpoint:
        status, body = await endpoint.request("GET", path, seconds=seconds)
    if status != 200:
        raise EndpointError(f"{base_url}{path} answers {status}", "see the log of what listens there")
    return body


async def attempt(base_url: str, key: str, model: str | None = None) -> Trial:
    """List the models and make one tiny call to `model`, or to the first that is listed."""
    models: tuple[str, ...] = ()
    try:
        async with _Endpoint(base_url, key) as endpoint:
            try:
                models = tuple(await _models(endpoint, _LIST_SECONDS))
            except _NoListError:
                # Some gateways list nothing; the call itself tells.
                if not model:
                    raise
            return Trial(models, await _ask(endpoint, model or _first(endpoint, models)))
    except EndpointError as exc:
        return Trial(models, None, exc.problem, exc.cure)


def _first(endpoint: "_Endpoint", models: Sequence[str]) -> str:
    if not models:
        raise EndpointError(f"{endpoint.url} lists no model", "name the model that it shall be")
    return models[0]


class _NoListError(EndpointError):
    """The endpoint is there, and has no list of models."""


async def _models(endpoint: "_Endpoint", seconds: float) -> list[str]:
    status, body = await endpoint.request("GET", "/models", seconds=seconds)
    if status == 404:
        raise _NoListError(
            f"{endpoint.url} has no list of models (404 for /models)",
            "see that the address ends where its documentation says, most often in /v1; or name the model",
        )
    _check(endpoint, status, body)
    data = body.get("data") if isinstance(body, dict) else None
    if not isinstance(data, list):
        raise EndpointError(
            f"what answers at {endpoint.url} does not speak the OpenAI protocol",
            "see that the address is that of the API (most often it ends in /v1), not of a web page",
        )
    # What is no text names no model. One that nests deeply would end whoever writes it out, by RecursionError.
    ids = (item.get("id") for item in data if isinstance(item, dict))
    return [name for name in ids if isinstance(name, str) and name]


async def _ask(endpoint: "_Endpoint", model: str) -> Answer:
    began = time.monotonic()
    body = {"model": model, "messages": [{"role": "user", "content": _QUESTION}], "max_tokens": _TOKENS}
    status, answer = await endpoint.request("POST", "/chat/completions", body, seconds=_ANSWER_SECONDS)
    if status == 400 and "max_completion_tokens" in _message(answer):
        # Newer models know the same bound by another name.
        body["max_completion_tokens"] = body.pop("max_tokens")
        status, answer = await endpoint.request("POST", "/chat/completions", body, seconds=_ANSWER_SECONDS)
    if status == 404:
        words = _message(answer)
        raise EndpointError(
            f"{endpoint.url} has no model {model!r}" + (f": {words}" if words else " (404)"),
            "choose one that it lists, or see that the address ends in /v1",
        )
    _check(endpoint, status, answer)
    try:
        text = str(answer["choices"][0]["message"].get("content") or "")
        tokens = int((answer.get("usage") or {}).get("total_tokens") or 0)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, RecursionError):
        raise EndpointError(
            f"{endpoint.url} answered a call with something that is no chat completion",
            "see that the address is that of an OpenAI-compatible API",
        ) from None
    return Answer(model, text[:_SHOWN], int((time.monotonic() - began) * 1000), tokens)


def _check(endpoint: "_Endpoint", status: int, body: Any) -> None:
    """Raises EndpointError for an answer of failure."""
    if status < 300:
        return
    said = _message(body)
    more = f": {said}" if said else ""
    if status in (401, 403):
        kind = KeyWantedError if said else EndpointError
        raise kind(
            f"{endpoint.url} refuses the key ({status}){more}",
            "check the key: a new one, or one with more rights",
        )
    if status == 429:
        raise EndpointError(
            f"{endpoint.url} takes no more requests now (429){more}",
            "see the account's limits and its credit, or try again in a minute",
        )
    if status >= 500:
        raise EndpointError(
            f"{endpoint.url} failed ({status}){more}", "see the log of the model server, or try again"
        )
    if status < 400:
        raise EndpointError(
            f"{endpoint.url} redirects ({status}), which is not followed", "give the address that it leads to"
        )
    raise EndpointError(
        f"{endpoint.url} refused the request ({status}){more}", "check the address and the model"
    )


def _message(body: Any) -> str:
    """What an OpenAI-compatible server says of an error; nothing of any other answer is passed on."""
    error = body.get("error") if isinstance(body, dict) else None
    message = error.get("message") if isinstance(error, dict) else error
    return " ".join(message.split())[:_SHOWN] if isinstance(message, str) else ""


class _Endpoint:
    """One endpoint while it is tried."""

    def __init__(self, base_url: str, key: str) -> None:
        self.url = base_url.rstrip("/")
        self._parts, self._port = _checked(self.url)
        self._host = self._parts.hostname or ""
        self._headers = {
            "Host": self._parts.netloc,
            "Accept": "application/json",
            "Accept-Encoding": "identity",
        }
        if key:
            if not key.isascii() or not key.isprintable() or " " in key:
                raise EndpointError("the key holds blanks or characters that no key has", "copy it once more")
            self._headers["Authorization"] = f"Bearer {key}"
        # Over plain HTTP nobody has to be trusted, and the system's authorities take 60 ms to read.
        secure = self._parts.scheme == "https"
        context = ssl.create_default_context() if secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._http = httpx2.AsyncClient(verify=context, trust_env=False, follow_redirects=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def request(self, method: str, path: str, body: Any = None, *, seconds: float) -> tuple[int, Any]:
        """The status, and the decoded answer (None where it is no JSON). Raises EndpointError."""
        try:
            async with asyncio.timeout(seconds):
                addresses = await self._addresses()
                for address in addresses[:-1]:
                    try:
                        return await self._send(method, address, path, body)
                    except (httpx2.ConnectError, httpx2.ConnectTimeout):
                        continue
                return await self._send(method, addresses[-1], path, body)
        except TimeoutError:
            raise EndpointError(
                f"{self.url} gave no answer within {seconds:.0f} s",
                "is it overloaded, or still loading a model?",
            ) from None
        except httpx2.HTTPError as exc:
            raise self._unreachable(exc) from exc

    async def _send(self, method: str, address: str, path: str, body: Any) -> tuple[int, Any]:
        url = f"{self._parts.scheme}://{in_url(address)}:{self._port}{self._parts.path}{path}"
        request = self._http.build_request(
            method, url, headers=self._headers, json=body,
            timeout=httpx2.Timeout(_ANSWER_SECONDS, connect=_CONNECT_SECONDS),
            extensions={"sni_hostname": self._host},
        )  # fmt: skip
        response = await self._http.send(request, stream=True)
        try:
            content = b""
            # As it comes: a packed answer, for which nobody asked, could be a thousand times as long as what is counted.
            async for part in response.aiter_raw():
                content += part
                if len(content) > _LIMIT:
                    raise EndpointError(
                        f"{self.url} answers with more than {_LIMIT} bytes", "see that it is a model endpoint"
                    )
        finally:
            await response.aclose()
        try:
            return response.status_code, orjson.loads(content)
        except orjson.JSONDecodeError:
            return response.status_code, None

    async def _addresses(self) -> list[str]:
        try:
            infos = await asyncio.get_running_loop().getaddrinfo(self._host, self._port, type=1)
        except (OSError, UnicodeError) as exc:
            raise EndpointError(
                f"the name {self._host} is not known", "check the address for a typing mistake"
            ) from exc
        found = list(dict.fromkeys(str(info[4][0]).partition("%")[0] for info in infos))
        for address in found:
            if _is_closed(address):
                raise EndpointError(
                    f"{self._host} is {address}, where machines keep their metadata, not a model",
                    "give the address of the model endpoint",
                )
        return found

    def _unreachable(self, error: httpx2.HTTPError) -> EndpointError:
        place = f"{self._host}:{self._port}"
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, ssl.SSLCertVerificationError):
                return EndpointError(
                    f"the certificate of {place} is not trusted: {cause.verify_message}",
                    "see that the name is right; a private authority must be among those that this system trusts",
                )
            if isinstance(cause, ssl.SSLError):
                return EndpointError(f"{place} does not speak TLS", "is it http:// instead of https://?")
            cause = cause.__cause__ or cause.__context__
        if isinstance(error, (httpx2.ConnectError, httpx2.ConnectTimeout)):
            return NothingThereError(
                f"nothing answers at {place}", "start the model server, or check host and port"
            )
        return EndpointError(
            f"the connection to {place} broke", "is it http:// or https://? See the log of the model server"
        )


def _checked(url: str) -> tuple[SplitResult, int]:
    """The parts of an address, and its port. Raises EndpointError."""
    cure = "write it as https://host/v1 or http://host:port/v1"
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise EndpointError("the address holds blanks or odd characters", cure)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as exc:
        raise EndpointError(f"the address is no URL: {exc}", cure) from exc
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise EndpointError("the address is no http:// or https:// URL with a host", cure)
    if parts.username or parts.password:
        raise EndpointError("the address holds credentials", "give the key by itself")
    if parts.query or parts.fragment:
        raise EndpointError("the address holds a query or a fragment", cure)
    return parts, port or (443 if parts.scheme == "https" else 80)


def _is_closed(text: str) -> bool:
    """Addresses where no model is and something worth stealing may be."""
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return address.is_link_local or address.is_multicast or address.is_unspecified or address in _METADATA
