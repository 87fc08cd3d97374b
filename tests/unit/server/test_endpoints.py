"""Which agent, which key, how many: the endpoints' book-keeping, as values."""

import base64
from typing import Any

import pytest

from sympozium.api.endpoint import digest
from sympozium.kube import UnreachableError
from sympozium.server.agents.asked import Ask
from sympozium.server.agents.directory import Agent, Directory, Keys
from sympozium.server.agents.rates import Rates
from sympozium.server.digestkey import DigestKey

KEY = "0123456789abcdef"


def obj(name: str = "bot", host: str | None = None, uid: str = "u", **spec: Any) -> dict[str, Any]:
    status = {"keyDigest": digest(b"installation", "ns", name, KEY), **({"hostname": host} if host else {})}
    return {
        "metadata": {"namespace": "ns", "name": name, "uid": uid},
        "spec": {"webEndpoint": {"enabled": True}, **spec},
        "status": {"webEndpoint": status},
    }


class Copies:
    """Instances, as the copies have them."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        self.handler: Any = None

    def __getitem__(self, plural: str) -> "Copies":
        return self

    def on_change(self, plural: str, handler: Any) -> None:
        self.handler = handler

    def get(self, namespace: str, name: str) -> dict[str, Any] | None:
        return self.objects.get((namespace, name))

    def put(self, new: dict[str, Any]) -> None:
        key = (new["metadata"]["namespace"], new["metadata"]["name"])
        old = self.objects.get(key)
        self.objects[key] = new
        self.handler(old, new)

    def drop(self, name: str) -> None:
        self.handler(self.objects.pop(("ns", name)), None)


@pytest.fixture
def copies() -> Copies:
    return Copies()


def directory(copies: Copies) -> Directory:
    return Directory(copies, frozenset({"dash.example.org"}))  # type: ignore[arg-type]


def test_only_agents_with_an_endpoint_are_found(copies: Copies) -> None:
    found = directory(copies)
    copies.put(obj())
    copies.put(obj("card", webEndpoint={}, a2a={"enabled": True}))
    copies.put(obj("none", webEndpoint={"enabled": False}))
    assert [bool(found.find("ns", name)) for name in ("bot", "card", "none", "nobody")] == [
        True,
        True,
        False,
        False,
    ]
    card = found.find("ns", "card")
    assert card is not None
    assert (card.is_open, card.card) == (False, {"enabled": True})


def test_a_host_name_follows_the_status(copies: Copies) -> None:
    found = directory(copies)
    copies.put(obj(host="bot.example.org"))
    assert found.by_host("bot.example.org") == found.find("ns", "bot")
    copies.put(obj(host="new.example.org"))
    assert not found.is_host("bot.example.org")
    # It went to another agent before the first one's loss of it was seen.
    copies.put(obj("other", host="new.example.org"))
    copies.put(obj())
    agent = found.by_host("new.example.org")
    assert agent is not None
    assert agent.name == "other"
    copies.drop("other")
    assert not found.is_host("new.example.org")


def test_the_servers_own_name_is_never_an_agents(copies: Copies) -> None:
    found = directory(copies)
    copies.put(obj(host="dash.example.org"))
    assert not found.is_host("dash.example.org")
    assert found.by_host("dash.example.org") is None


class Api:
    def __init__(self, key: bytes = b"installation") -> None:
        self.key: bytes | None = key
        self.reads = 0

    async def find(self, resource: Any, name: str, namespace: str) -> dict[str, Any] | None:
        self.reads += 1
        if self.key is None:
            raise UnreachableError("away")
        return {"data": {"endpoint.key": base64.b64encode(self.key).decode()}}


async def test_a_key_opens_its_own_agent() -> None:
    api, clock = Api(), [0.0]
    keys = Keys(DigestKey(api, now=lambda: clock[0]))  # type: ignore[arg-type]
    bot, other = Agent.of(obj()), Agent.of(obj("other"))
    assert await keys.opens(bot, KEY)
    assert not await keys.opens(bot, KEY + "0")
    assert not await keys.opens(bot, "")
    assert await keys.opens(other, KEY)
    copied = Agent.of({**obj("other"), "status": obj()["status"]})
    assert not await keys.opens(copied, KEY)
    assert api.reads == 1
    # An API that is away closes nothing, and an exchanged key of the installation is noticed.
    api.key, clock[0] = None, 21.0
    assert await keys.opens(bot, KEY)
    api.key, clock[0] = b"another", 42.0
    assert not await keys.opens(bot, KEY)


@pytest.mark.parametrize("status", [{}, {"keyDigest": ""}, {"status": "Error"}])
async def test_an_agent_without_a_digest_has_no_key(status: dict[str, Any]) -> None:
    agent = Agent.of({**obj(), "status": {"webEndpoint": status}})
    for installation in (b"installation", b""):
        assert not await Keys(DigestKey(Api(installation))).opens(agent, "")  # type: ignore[arg-type]
        assert not await Keys(DigestKey(Api(installation))).opens(agent, KEY)  # type: ignore[arg-type]


def test_a_bucket_fills_by_the_minute() -> None:
    clock = [0.0]
    rates = Rates(now=lambda: clock[0])
    assert [rates.take("a", 6, 2) for _ in range(3)] == [0, 0, 10]
    assert rates.take("b", 6, 2) == 0
    clock[0] = 9.0
    assert rates.take("a", 6, 2) == 1
    clock[0] = 10.0
    assert [rates.take("a", 6, 2) for _ in range(2)] == [0, 10]
    clock[0] = 3600.0
    assert [rates.take("a", 6, 2) for _ in range(3)] == [0, 0, 10]


def test_a_key_of_idempotency_makes_one_name() -> None:
    bot = Agent.of(obj())
    one, again = Ask(bot, "chat", "x", idempotency="k"), Ask(bot, "chat", "x", idempotency="k")
    assert one.manifest() == again.manifest()
    assert one.manifest() != Ask(bot, "chat", "y", idempotency="k").manifest()
    assert one.name == Ask(bot, "chat", "y", idempotency="k").name
    assert one.name != Ask(Agent.of(obj(uid="u2")), "chat", "x", idempotency="k").name
    assert Ask(bot, "chat", "x").name != Ask(bot, "chat", "x").name
    assert one.manifest()["metadata"]["labels"] == {
        "sympozium.ai/endpoint": "chat",
        "sympozium.ai/instance": "bot",
    }


async def test_without_a_key_of_the_installation_nothing_opens() -> None:
    """Also not what was digested without one."""
    forged = obj()
    forged["status"]["webEndpoint"]["keyDigest"] = digest(b"", "ns", "bot", KEY)
    assert not await Keys(DigestKey(Api(b""))).opens(Agent.of(forged), KEY)  # type: ignore[arg-type]
