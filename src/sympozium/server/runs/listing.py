"""All runs, as people ask for them: the index finds, the copies show.

What is shown is the newest that the server has. The index may be some milliseconds behind: a run that is gone by then is
left out of the page, and one that has changed shows how it is now.
"""

import logging
from collections.abc import Collection
from dataclasses import dataclass

from sympozium.kube.resources import Object, Objects, key_of
from sympozium.server.copies import RUNS, Copies
from sympozium.server.models.runs import RunSummary
from sympozium.server.runs.batches import Batches, Keys
from sympozium.server.runs.index import Index, Key, Page, Row
from sympozium.server.runs.prices import Prices
from sympozium.server.runs.query import Query
from sympozium.server.runs.search import Piece

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Found:
    """A page. `items` have their hits."""

    items: list[tuple[RunSummary, list[Piece]]]
    total: int
    facets: dict[str, dict[str, int]]
    cursor: str | None


class Listing:
    def __init__(self, copies: Copies) -> None:
        self._copies = copies
        self._index = Index()
        self._batches = Batches("the index of runs", self._take)
        copies.on_change(RUNS, self._batches.changed)

    def unready(self) -> list[str]:
        return self._batches.unready()

    async def run(self) -> None:
        """Follow the runs until cancelled."""
        await self._batches.run(self._copies[RUNS])

    @property
    def stopped(self) -> bool:
        """Whether the installation is stopped, as far as the server has heard."""
        return bool(((self._copies.config or {}).get("spec") or {}).get("suspend"))

    def show(self, run: Object) -> RunSummary:
        """A run as lists have it."""
        return self._copies.summary(run)

    async def page(self, query: Query) -> Found:
        """Raises ValueError for a cursor or a label selector that cannot be read."""
        page = await self._batches.ask(self._page, query, self._copies.prices)
        items = [
            (self._copies.summary(run), hit.pieces)
            for hit in page.hits
            if (run := self._copies[RUNS].get(*hit.key)) is not None
        ]
        return Found(items, page.total, page.facets, page.cursor)

    async def some(self, query: Query) -> list[RunSummary]:
        """The runs of one page, without counting any."""
        keys = await self._batches.ask(self._index.keys, query)
        return [
            self._copies.summary(run) for key in keys if (run := self._copies[RUNS].get(*key)) is not None
        ]

    async def phases(self, namespaces: Collection[str] | None) -> dict[str, int]:
        return await self._batches.ask(self._index.phases, namespaces)

    async def namespaces(self) -> list[str]:
        """Those that have runs."""
        return await self._batches.ask(self._index.namespaces)

    # -- in the thread

    def _page(self, query: Query, prices: Prices) -> Page:
        if query.sort == "-cost":
            self._index.price(prices.rates(self._index.models()))
        return self._index.page(query)

    def _take(self, runs: Objects, gone: Keys) -> None:
        rows: list[Row] = []
        hidden: list[Key] = []
        for run in runs:
            try:
                rows.append(Row.of(run))
            except (KeyError, TypeError, ValueError) as exc:
                # The schema keeps such objects out; one that is older than the schema must not hide the others.
                log.warning(
                    "agentrun %s/%s is not listed, it is not what it should be: %r", *key_of(run), exc
                )
                hidden.append(key_of(run))
        self._index.update(rows, [*gone, *hidden])
