"""Setting an installation up: which model its agents talk to, and how far a newcomer has come.

The choice is two objects, as `sympozium up` writes them: a Secret with the endpoint and its key where agents run and in
the system namespace, and the SympoziumConfig `default`, which names it. They are written as the person who chooses, so
Kubernetes RBAC says who may. An annotation remembers that a person chose: the next `up` then leaves both alone.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sympozium.actions import endpoints
from sympozium.actions.endpoints import NO_KEY, Found
from sympozium.api.config import NAME as CONFIG
from sympozium.api.meta import SYSTEM_NAMESPACE
from sympozium.kube import Client, ForbiddenError, NotFoundError
from sympozium.kube.resources import SECRETS, Object
from sympozium.kube.secretdata import decoded
from sympozium.resources import CONFIGS, PERSONA_PACKS, RUNS

SECRET: Final = "sympozium-llm-key"  # noqa: S105 - a name
CHOSEN: Final = "sympozium.ai/model-chosen"
"""Annotation of the SympoziumConfig: a person chose the model (`sympozium.up.install` heeds it)."""
_URL, _KEY = "OPENAI_BASE_URL", "OPENAI_API_KEY"


@dataclass(frozen=True, slots=True)
class Configured:
    """The model of the installation. `secret` is where its key is; `readable` is False when the asker may not look there."""

    provider: str = ""
    model: str = ""
    base_url: str = ""
    secret: str = ""
    readable: bool = True
    key: str = field(default="", repr=False)

    @property
    def key_set(self) -> bool:
        return bool(self.key) and self.key != NO_KEY


@dataclass(frozen=True, slots=True)
class Choice:
    """What a person decided. Without `key` the one that is there stays, as long as the endpoint does."""

    base_url: str
    provider: str
    model: str
    key: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far somebody has come; a count is None where they may not look."""

    model: Configured
    packs: int | None
    runs: int | None

    @property
    def done(self) -> bool:
        """There is a model, and something was done with it."""
        return bool(self.model.model) and bool(self.packs or self.runs)


async def configured(client: Client, namespace: str) -> Configured:
    """What holds now for runs of a namespace, as far as the asker may see."""
    try:
        config = await client.find(CONFIGS, CONFIG, SYSTEM_NAMESPACE)
    except ForbiddenError:
        return Configured(readable=False)
    spec = (config or {}).get("spec") or {}
    provider, model = str(spec.get("provider") or ""), str(spec.get("model") or "")
    base_url, key, readable = str(spec.get("baseURL") or ""), "", True
    secret = ""
    for reference in spec.get("authRefs") or ():
        secret = str(reference["secret"])
        try:
            data = await secret_data(client, secret, namespace)
        except ForbiddenError:
            readable = False
            continue
        base_url, key = data.get(_URL, base_url), data.get(_KEY, key)
    return Configured(provider, model, base_url, secret, readable, key)


async def secret_data(client: Client, name: str, namespace: str) -> dict[str, str]:
    """Of a Secret of the namespace; empty when it is not there. Raises ForbiddenError."""
    found = await client.find(SECRETS, name, namespace)
    return {key: value.decode(errors="replace") for key, value in decoded(found).items()}


async def progress(client: Client, namespace: str) -> Progress:
    """Where the asker stands. Raises KubeError."""
    return Progress(
        await configured(client, namespace),
        await _enabled_packs(client, namespace),
        await _runs(client, namespace),
    )


async def _enabled_packs(client: Client, namespace: str) -> int | None:
    try:
        found = await client.list(PERSONA_PACKS, namespace)
    except ForbiddenError:
        return None
    return sum(bool(pack["spec"].get("enabled")) for pack in found)


async def _runs(client: Client, namespace: str) -> int | None:
    """One object and how many remain: the number may be large."""
    try:
        page = await client.request("GET", RUNS.path(namespace), query={"limit": "1"})
    except ForbiddenError:
        return None
    remaining = (page.get("metadata") or {}).get("remainingItemCount") or 0
    return len(page.get("items") or ()) + int(remaining)


async def found(now: Configured, environ: Mapping[str, str], on_nodes: Sequence[Found] = ()) -> list[Found]:
    """The endpoints that there are to choose from: what holds now first, then what this machine offers, then the nodes."""
    offered = [f for f in (*await endpoints.discover(environ), *on_nodes) if f.base_url != now.base_url]
    if not now.base_url:
        return offered
    source: endpoints.Source = "rehearsal" if now.provider == "rehearsal" else "config"
    try:
        models = await endpoints.models_of(now.base_url, now.key, seconds=5)
    except endpoints.EndpointError as exc:
        return [Found(source, now.base_url, now.provider, (), now.key, exc.problem), *offered]
    return [Found(source, now.base_url, now.provider, tuple(models), now.key), *offered]


async def save(client: Client, choice: Choice, namespaces: Sequence[str]) -> list[str]:
    """Write it; returns what was written, in words. Raises KubeError: the Secrets come first, so a refusal changes nothing
    that agents use.
    """
    now = await configured(client, namespaces[0])
    key = choice.key
    if key is None:
        # The key of one endpoint is never sent to another.
        key = now.key if now.key and now.base_url.rstrip("/") == choice.base_url.rstrip("/") else NO_KEY
    written = []
    for namespace in dict.fromkeys((*namespaces, SYSTEM_NAMESPACE)):
        await client.apply(SECRETS, _secret(namespace, choice.base_url, key))
        written.append(f"secret/{SECRET} in {namespace}")
    await _configure(client, choice)
    return [*written, f"sympoziumconfig.sympozium.ai/{CONFIG} in {SYSTEM_NAMESPACE}"]


def _secret(namespace: str, base_url: str, key: str) -> Object:
    # `data`, not `stringData`: an applied stringData would not take back what was there.
    data = {_URL: base_url, _KEY: key or NO_KEY}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": SECRET, "namespace": namespace},
        "data": {name: base64.b64encode(value.encode()).decode() for name, value in data.items()},
    }


async def _configure(client: Client, choice: Choice) -> None:
    """A merge patch, since the object holds more than the model, which stays as it is."""
    spec: dict[str, Any] = {
        "model": choice.model,
        "provider": choice.provider,
        "authRefs": [{"secret": SECRET}],
    }
    metadata = {"annotations": {CHOSEN: "true"}}
    try:
        await client.patch(CONFIGS, CONFIG, SYSTEM_NAMESPACE, {"metadata": metadata, "spec": spec})
    except NotFoundError:
        made = {
            "apiVersion": CONFIGS.api_version,
            "kind": CONFIGS.kind,
            "metadata": {"name": CONFIG, "namespace": SYSTEM_NAMESPACE, **metadata},
            "spec": spec,
        }
        await client.create(CONFIGS, made, SYSTEM_NAMESPACE)
