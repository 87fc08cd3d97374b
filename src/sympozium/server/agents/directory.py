"""The agents that have an endpoint: by path, by host name, and by their keys.

All of it comes from the copies of instances, whose status the controllers write: which host names were granted, and by which
digest a key is known (sympozium.api.endpoint).
"""

import hmac
from dataclasses import dataclass
from typing import Any

from sympozium.api.endpoint import digest
from sympozium.kube.resources import Object
from sympozium.server.copies import INSTANCES, Copies
from sympozium.server.digestkey import DigestKey


@dataclass(frozen=True, slots=True)
class Agent:
    """An instance, as its endpoints need it."""

    namespace: str
    name: str
    uid: str
    spec: Object
    status: Object
    """`status.webEndpoint`."""

    @classmethod
    def of(cls, obj: Object) -> "Agent":
        meta = obj["metadata"]
        status = (obj.get("status") or {}).get("webEndpoint") or {}
        return cls(meta["namespace"], meta["name"], meta["uid"], obj["spec"], status)

    @property
    def is_open(self) -> bool:
        """Whether it is served over HTTP to people's programs."""
        return bool(self._endpoint.get("enabled"))

    @property
    def card(self) -> Object | None:
        """`spec.a2a`, where it is served to other agents."""
        found = self.spec.get("a2a") or {}
        return found if found.get("enabled") else None

    @property
    def title(self) -> str:
        return str(self.spec.get("displayName") or self.name)

    @property
    def rate(self) -> tuple[int, int]:
        """Requests a minute, and at once."""
        limit = self._endpoint.get("rateLimit") or {}
        return int(limit.get("requestsPerMinute") or 60), int(limit.get("burstSize") or 10)

    @property
    def _endpoint(self) -> dict[str, Any]:
        return self.spec.get("webEndpoint") or {}


class Directory:
    """`reserved` are host names that are never an agent's."""

    def __init__(self, copies: Copies, reserved: frozenset[str]) -> None:
        self._copies = copies
        self._reserved = reserved
        self._hosts: dict[str, tuple[str, str]] = {}
        copies.on_change(INSTANCES, self._changed)

    def find(self, namespace: str, name: str) -> Agent | None:
        """An agent that has an endpoint of some kind."""
        found = self._copies[INSTANCES].get(namespace, name)
        agent = Agent.of(found) if found else None
        return agent if agent and (agent.is_open or agent.card) else None

    def is_host(self, name: str) -> bool:
        """`name` in lower case, without a port."""
        return name in self._hosts and name not in self._reserved

    def by_host(self, name: str) -> Agent | None:
        return self.find(*self._hosts[name]) if self.is_host(name) else None

    def _changed(self, old: Object | None, new: Object | None) -> None:
        for obj, there in ((old, False), (new, True)):
            if obj is None:
                continue
            agent = Agent.of(obj)
            key, host = (agent.namespace, agent.name), agent.status.get("hostname")
            if host and there:
                self._hosts[host] = key
            elif host and self._hosts.get(host) == key:
                del self._hosts[host]


class Keys:
    """Whether a text is the key of an agent."""

    def __init__(self, installation: DigestKey) -> None:
        self._installation = installation

    async def opens(self, agent: Agent, key: str) -> bool:
        """In the same time for every wrong key."""
        installation = await self._installation.get()
        expected = str(agent.status.get("keyDigest") or "none")
        made = digest(installation, agent.namespace, agent.name, key)
        return hmac.compare_digest(made, expected) and bool(installation)
