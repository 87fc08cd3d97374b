"""Who may be a user of the runs' account: the JWT that nats-server keeps of it, and changes of that.

The users of a run are issued by a signing key of its own, which is listed in the account's JWT as long as the run
lives. Taking it off the list cuts its users off at once and for good. A list of revoked users would do the
same, but it grows with every run that ever was, and the server takes no message above 1 MiB; this list is as long
as there are runs at work.

Of several servers each keeps the JWT by itself and tells the others now and then, and any of them may have been away
when it was changed. So a change counts when most of them have confirmed it, and what it changes is the newest version
that most of them know of: two such majorities have a server in common. Servers that compare versions go by the second in
which they were issued, so each version has a later one than the version before it.
"""

import asyncio
import json
import time
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass

from nats.aio.client import Client as Nats

from sympozium.bus import jwt, nkey
from sympozium.bus.connection import API_TIMEOUT, FAILURES, connect, words
from sympozium.bus.errors import BusError
from sympozium.bus.keyring import Keyring


@dataclass(frozen=True, slots=True)
class _Version:
    """What servers answered: the newest JWT, and whether all that answered have it."""

    token: str
    everywhere: bool

    @property
    def issued_at(self) -> int:
        return int(jwt.payload(self.token)["iat"])


class Accounts:
    """One process at a time may change the account. Connects when there is something to change."""

    def __init__(self, url: str, keyring: Keyring, *, servers: int = 1) -> None:
        self._url = url
        self._keyring = keyring
        self._servers = servers
        self._most = servers // 2 + 1
        self._account = nkey.public(keyring.account)
        self._changing = asyncio.Lock()
        self._connection: Nats | None = None

    async def close(self) -> None:
        if self._connection is not None:
            with suppress(*FAILURES):
                await self._connection.close()

    async def ensure(self) -> None:
        """Give the account to servers that have none. Waits for the bus to be there. Raises BusError.

        Only where every server says that it has none: to one that has come back empty the others will tell.
        """
        async with self._changing:
            self._connection = await self._connect(patient=True)
            if await self._known(self._most) is None and await self._known(self._servers) is None:
                await self._push(jwt.account(self._keyring.account, operator_seed=self._keyring.operator))

    async def change(
        self, *, add: AbstractSet[str] = frozenset(), remove: AbstractSet[str] = frozenset()
    ) -> None:
        """Add and remove public keys that may issue users. Does nothing where nothing changes. Raises BusError."""
        async with self._changing:
            known = await self._known(self._most)
            if known is None:
                raise BusError("the servers do not know the account of runs")
            listed = jwt.signing_keys(known.token)
            wanted = (listed - remove) | add
            if wanted != listed:
                await self._push(
                    jwt.account(
                        self._keyring.account,
                        operator_seed=self._keyring.operator,
                        signing_keys=wanted,
                        issued_at=max(int(time.time()), known.issued_at + 1),
                    )
                )
            elif not known.everywhere:
                # Somebody was interrupted: what we rest on must be what most of them know.
                await self._push(known.token)

    async def _known(self, answers: int) -> _Version | None:
        """The newest version of so many servers; None where they have none."""
        found = await self._ask(f"$SYS.REQ.ACCOUNT.{self._account}.CLAIMS.LOOKUP", b"", answers)
        tokens = {token for answer in found if (token := _readable(answer))}
        if not tokens:
            return None
        newest = max(tokens, key=lambda token: int(jwt.payload(token)["iat"]))
        return _Version(newest, everywhere=all(answer.decode() == newest for answer in found))

    async def _push(self, token: str) -> None:
        for answer in await self._ask("$SYS.REQ.CLAIMS.UPDATE", token.encode(), self._most):
            said = json.loads(answer)
            if said.get("error") or said.get("data", {}).get("code") != 200:
                raise BusError(
                    f"the server did not take the account's keys: {said.get('error') or said.get('data')}"
                )

    async def _ask(self, subject: str, data: bytes, answers: int) -> list[bytes]:
        """The first answers of so many servers; all of them hear the question. Raises BusError."""
        if self._connection is None or not self._connection.is_connected:
            await self.close()
            self._connection = await self._connect(patient=False)
        found: list[bytes] = []
        try:
            inbox = self._connection.new_inbox()
            subscription = await self._connection.subscribe(inbox)
            try:
                async with asyncio.timeout(API_TIMEOUT):
                    await self._connection.publish(subject, data, reply=inbox)
                    while len(found) < answers:
                        found.append(bytes((await subscription.next_msg(timeout=API_TIMEOUT)).data))
            finally:
                await subscription.unsubscribe()
        except FAILURES as exc:
            few = f" ({len(found)} of {answers} servers answered)" if self._servers > 1 else ""
            raise BusError(f"{subject}: {words(exc)}{few}") from exc
        return found

    async def _connect(self, *, patient: bool) -> Nats:
        user = self._keyring.system_user()
        return await connect(self._url, user, name="controllers (accounts)", patient=patient)


def _readable(answer: bytes) -> str:
    """The JWT, or nothing: a server that died while it wrote one has half of it, and gets the whole from the others."""
    try:
        token = answer.decode()
        jwt.payload(token)
    except (ValueError, IndexError):
        return ""
    return token
