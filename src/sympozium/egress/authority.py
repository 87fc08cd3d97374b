"""May this run connect there? Decided from copies of runs, instances, policies and the configuration."""

import asyncio
import base64
from collections.abc import Callable
from typing import Final, TypeVar

from pydantic import ValidationError

from sympozium.addresses import objection
from sympozium.api import SYSTEM_NAMESPACE, AgentRun, SympoziumConfig, SympoziumInstance, SympoziumPolicy
from sympozium.api.config import NAME as CONFIG_NAME, ConfigSpec
from sympozium.api.run import TERMINAL
from sympozium.api.shared import Resource as Model
from sympozium.egresstoken import FIELD, SECRET, BadTokenError, Claims, verify
from sympozium.kube import Client, Informer, KubeError
from sympozium.kube.informer import drop_managed_fields, report
from sympozium.kube.resources import SECRETS
from sympozium.policy import Effective, network, resolve
from sympozium.policy.resolve import Key, MissingReferenceError
from sympozium.resources import resource

_KINDS: Final = ("AgentRun", "SympoziumInstance", "SympoziumPolicy", "SympoziumConfig")
_M = TypeVar("_M", bound=Model)


class NotAllowedError(Exception):
    """The text is for the run, and for the log."""


class Authority:
    """`changed` is called when an answer may have become another one."""

    def __init__(self, client: Client, changed: Callable[[], None]) -> None:
        self._client = client
        self._informers = {kind: _informer(client, kind) for kind in _KINDS}
        report(list(self._informers.values()))
        for informer in self._informers.values():
            informer.add_handler(lambda _old, _new: changed())
        self._key: bytes | None = None

    def unready(self) -> list[str]:
        """What is missing before anything can be judged."""
        return [f"{kind} not read yet" for kind, i in self._informers.items() if not i.has_synced]

    async def run(self) -> None:
        """Keep the copies, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for informer in self._informers.values():
                group.create_task(informer.run())

    async def identify(self, token: str) -> Claims:
        """Whose token it is. Raises NotAllowedError."""
        try:
            return verify(token, await self._current_key(token))
        except BadTokenError as error:
            raise NotAllowedError(f"the credential is refused: {error}") from error
        except KubeError as error:
            raise NotAllowedError(f"credentials cannot be checked now: {error}") from error

    async def _current_key(self, token: str) -> bytes:
        """The key is read once, and again when a signature does not fit: it may have been made anew."""
        if self._key is not None:
            try:
                verify(token, self._key)
            except BadTokenError:
                self._key = None
        if self._key is None:
            secret = await self._client.get(SECRETS, SECRET, SYSTEM_NAMESPACE)
            self._key = base64.b64decode(secret["data"][FIELD])
        return self._key

    def judge(self, claims: Claims, host: str, port: int, addresses: list[str]) -> None:
        """Raises NotAllowedError when the run may not connect to a host that was resolved to `addresses`."""
        policy = self._policy(claims)
        own = (host, port) == claims.model
        if not own and not network.may_connect(policy, host, port, addresses):
            raise NotAllowedError(
                f"the policy of this run does not allow connections to {host}:{port} (networkPolicy.allowedEgress)"
            )
        egress = network.egress(policy)
        literal = network.network_of(host) is not None
        for address in addresses:
            if own and literal:
                continue  # the endpoint is what the instance's author wrote
            if egress.restricted and network.by_address(egress, address, port):
                continue
            if why := objection(address, private=own):
                raise NotAllowedError(f"{host} is {address}, {why}: a policy must allow it by address")

    def _policy(self, claims: Claims) -> Effective:
        run = self._get(AgentRun, (claims.namespace, claims.run))
        if run is None or run.metadata.uid != claims.uid or run.status.phase in TERMINAL:
            raise NotAllowedError("the run of this credential is over")
        instance = self._get(SympoziumInstance, (run.namespace, run.spec.instance_ref))
        if instance is None:
            raise NotAllowedError(
                f"SympoziumInstance {run.spec.instance_ref} is gone: nothing says what the run may"
            )
        config = self._get(SympoziumConfig, (SYSTEM_NAMESPACE, CONFIG_NAME))
        try:
            return resolve.effective(
                instance, config.spec if config else ConfigSpec(), self._find_policy, parent=run.spec.parent
            )
        except MissingReferenceError as error:
            raise NotAllowedError(str(error)) from error

    def _find_policy(self, key: Key) -> SympoziumPolicy | None:
        return self._get(SympoziumPolicy, key)

    def _get(self, model: type[_M], key: Key) -> _M | None:
        found = self._informers[model.__name__].get(*key)
        try:
            return model.model_validate(found) if found else None
        except ValidationError as error:
            raise NotAllowedError(f"{model.__name__} {key[1]} cannot be read: {error}") from error


def _informer(client: Client, kind: str) -> Informer:
    return Informer(client, resource(kind), transform=drop_managed_fields)
