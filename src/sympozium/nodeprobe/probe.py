"""One node's model servers, asked again and again: an address, a few ports, `GET /v1/models` at each.

The address is the node's as pods reach it, so what is found is what an agent could use; a server that listens on the node's
loopback alone is not. Whatever answers is nobody's that we know: each question has a bounded time and a bounded
answer, follows no redirect and carries no key (`sympozium.actions.endpoints`).
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from sympozium.actions import endpoints
from sympozium.actions.endpoints import EndpointError, KeyWantedError, NothingThereError
from sympozium.actions.nodelisting import Listing, Other, Server
from sympozium.hosts import in_url
from sympozium.telemetry import metrics

log = logging.getLogger(__name__)

PORTS: Final = (11434, 8000, 1234, 8080, 30000)
"""Of Ollama, vLLM, LM Studio, llama.cpp and SGLang, as they are when nobody chose another."""
INTERVAL: Final = 60.0
_SECONDS: Final = 8.0
"""Longer than a connection may take to be made, so that a port which a firewall holds is told from a server that hangs."""

_MODELS: Final = metrics.gauge(
    "sympozium_node_models", "Models that the server at this port of the node lists.", ["port"]
)
_ANSWERS: Final = metrics.counter(
    "sympozium_node_probe_answers_total",
    "Questions to ports of the node: models, key (it wants one), other (no model server that works), nothing.",
    ["port", "outcome"],
)
_CHECKED: Final = metrics.gauge(
    "sympozium_node_probe_checked_timestamp_seconds", "When all ports of the node were last asked."
)


class Probe:
    """What is known of a node; `listing` is replaced by each look."""

    def __init__(self, node: str, address: str, ports: Sequence[int]) -> None:
        self._ports = tuple(dict.fromkeys(ports))
        self.listing = Listing(node=node, address=address)

    async def run(self, interval: float) -> None:
        """Look every `interval` seconds, for ever."""
        while True:
            await self.look()
            await asyncio.sleep(interval)

    async def look(self) -> None:
        """Ask all ports at once, each for eight seconds at the most."""
        answers = await asyncio.gather(*(self._ask(port) for port in self._ports))
        found = Listing(
            node=self.listing.node,
            address=self.listing.address,
            checked_at=datetime.now(UTC).replace(microsecond=0),
            servers=[a for a in answers if isinstance(a, Server)],
            others=[a for a in answers if isinstance(a, Other)],
        )
        self._tell(found)
        self.listing = found
        _CHECKED.set(time.time())

    async def _ask(self, port: int) -> Server | Other | None:
        url = f"http://{in_url(self.listing.address)}:{port}/v1"
        provider, outcome, count = endpoints.provider_of(url), "models", 0
        answer: Server | Other | None
        try:
            answer = Server.of(url, provider, await endpoints.models_of(url, "", seconds=_SECONDS))
            count = len(answer.models) + answer.left_out
        except KeyWantedError:
            answer, outcome = Server(base_url=url, provider=provider, models=[], wants_key=True), "key"
        except NothingThereError:
            answer, outcome = None, "nothing"
        except EndpointError as exc:
            answer, outcome = Other(base_url=url, problem=exc.problem), "other"
        _ANSWERS.labels(port, outcome).inc()
        _MODELS.labels(port).set(count)
        return answer

    def _tell(self, found: Listing) -> None:
        """What is otherwise than before, in the log."""
        before = {s.base_url: s for s in self.listing.servers}
        for server in found.servers:
            if before.pop(server.base_url, None) != server:
                words = (
                    "wants a key" if server.wants_key else f"lists {', '.join(server.models) or 'no model'}"
                )
                log.info("%s %s", server.base_url, words)
        for gone in before:
            log.info("%s is no model server any more", gone)

    def document(self) -> bytes:
        """The listing as JSON."""
        return self.listing.model_dump_json(by_alias=True).encode()

    def unready(self) -> list[str]:
        return [] if self.listing.checked_at else ["the ports of the node were not asked yet"]
