"""Who may be a user of the runs' account: the JWT that nats-server keeps of it, and changes of that.

The users of a run are issued by a signing key of its own, which is listed in the account's JWT as long as the run
lives. Taking it off the list cuts its users off at once and for good. A list of revoked users would do the
same, but it grows with every run that ever was, and the server takes no message above 1 MiB; this list is as long
as there are runs at work.
"""

import asyncio
import json
from collections.abc import Set as AbstractSet
from contextlib import suppress

import nats.errors
from nats.aio.client import Client as Nats

from sympozium.bus import jwt
from sympozium.bus.connection import API_TIMEOUT, connect, words
from sympozium.bus.errors import BusError
from sympozium.bus.keyring import Keyring

_FAILURES = (nats.errors.Error, TimeoutError, OSError)


class Accounts:
    """One process at a time may change the account. Connects when there is something to change."""

    def __init__(self, url: str, keyring: Keyring) -> None:
        self._url = url
        self._keyring = keyring
        self._account = jwt.public(keyring.account)
        self._changing = asyncio.Lock()
        self._connection: Nats | None = None

    async def close(self) -> None:
        if self._connection is not None:
            with suppress(*_FAILURES):
                await self._connection.close()

    async def change(
        self, *, add: AbstractSet[str] = frozenset(), remove: AbstractSet[str] = frozenset()
    ) -> None:
        """Add and remove public keys that may issue users. Does nothing where nothing changes. Raises BusError."""
        async with self._changing:
            current = await self._request(f"$SYS.REQ.ACCOUNT.{self._account}.CLAIMS.LOOKUP", b"")
            known = jwt.signing_keys(current.decode())
            wanted = (known - remove) | add
            if wanted == known:
                return
            token = jwt.account(
                self._keyring.account, operator_seed=self._keyring.operator, signing_keys=wanted
            )
            answer = json.loads(await self._request("$SYS.REQ.CLAIMS.UPDATE", token.encode()))
        if answer.get("error") or answer.get("data", {}).get("code") != 200:
            raise BusError(
                f"the server did not take the account's keys: {answer.get('error') or answer.get('data')}"
            )

    async def _request(self, subject: str, data: bytes) -> bytes:
        if self._connection is None or not self._connection.is_connected:
            self._connection = await connect(
                self._url, self._keyring.system_user(), name="controllers (accounts)", patient=False
            )
        try:
            return bytes((await self._connection.request(subject, data, timeout=API_TIMEOUT)).data)
        except _FAILURES as exc:
            raise BusError(f"{subject}: {words(exc)}") from exc
