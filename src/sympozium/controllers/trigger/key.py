"""By what the API server knows the senders of requests to a trigger: an HMAC of their token, as of endpoints' keys."""

import asyncio
from typing import Final

from sympozium.api.endpoint import HMAC_KEY, SERVER, TOKEN, digest, key_problem, secret_value
from sympozium.api.trigger import SympoziumTrigger
from sympozium.controllers.context import Context
from sympozium.kube.resources import SECRETS

LOOK_AGAIN: Final = 30.0
"""Seconds after which the Secret is looked at again: Secrets are not watched."""
_BELIEVE: Final = 25.0


class KeyProblemError(Exception):
    """There is no token by which senders could be known; the text says what to do."""


class Keys:
    """For one installation. What was read is believed for a while: every event of the trigger brings us here."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._known: dict[tuple[str, str], tuple[float, str]] = {}

    async def digest(self, trigger: SympoziumTrigger, secret: str) -> str:
        """Raises KeyProblemError, KubeError."""
        now = asyncio.get_running_loop().time()
        place = (trigger.metadata.uid, secret)
        known = self._known.get(place)
        if known is not None and now - known[0] < _BELIEVE:
            return known[1]
        self._known.pop(place, None)
        client = self._context.client
        installation = secret_value(
            await client.find(SECRETS, SERVER, self._context.system_namespace), HMAC_KEY
        )
        if not installation:
            raise KeyProblemError(
                f"Secret {SERVER} has no {HMAC_KEY}: is the API server of Sympozium installed?"
            )
        found = await client.find(SECRETS, secret, trigger.namespace)
        if found is None:
            raise KeyProblemError(f"Secret {secret} is not in namespace {trigger.namespace}")
        token = secret_value(found, TOKEN).decode(errors="replace").strip()
        if problem := key_problem(token):
            raise KeyProblemError(f"Secret {secret}: {TOKEN} {problem}")
        made = digest(installation, trigger.namespace, trigger.name, token, of="trigger")
        self._known[place] = (now, made)
        return made
