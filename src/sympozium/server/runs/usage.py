"""What runs have used: sums of the ledger, with today's prices."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from sympozium.kube.resources import Object, Objects
from sympozium.server.copies import RUNS, Copies
from sympozium.server.models.usage import UsageRow, UsageSums
from sympozium.server.problems import Problem
from sympozium.server.runs.batches import Batches, Keys, StartOverError
from sympozium.server.runs.ledger import Dimension, Ledger, Sum, as_deleted, has_ended
from sympozium.server.runs.prices import Prices

ROWS_MAX = 5000


@dataclass(slots=True)
class Summed:
    """Sums that have the same keys. `cost` is of the models that have a price; `priced` says whether any has."""

    runs: int = 0
    succeeded: int = 0
    failed: int = 0
    input: int = 0
    output: int = 0
    calls: int = 0
    duration: int = 0
    cost: Decimal = Decimal(0)
    priced: bool = False

    def add(self, part: Sum, amount: Decimal | None) -> None:
        for name in ("runs", "succeeded", "failed", "input", "output", "calls", "duration"):
            setattr(self, name, getattr(self, name) + getattr(part, name))
        if amount is not None:
            self.cost += amount
            self.priced = True

    def shown(self, prices: Prices) -> UsageSums:
        return UsageSums(
            runs=self.runs,
            succeeded=self.succeeded,
            failed=self.failed,
            input_tokens=self.input,
            output_tokens=self.output,
            tool_calls=self.calls,
            duration_ms=self.duration,
            cost=prices.shown(self.cost).amount if self.priced else None,
        )


@dataclass(slots=True)
class Figures:
    """`rows` by their keys, in order."""

    rows: dict[tuple[str | None, ...], Summed] = field(default_factory=dict)
    totals: Summed = field(default_factory=Summed)
    unpriced: set[str] = field(default_factory=set)


def figures(parts: Sequence[Sum], prices: Prices) -> Figures:
    """Put together what is of several models."""
    found = Figures()
    rows: defaultdict[tuple[str | None, ...], Summed] = defaultdict(Summed)
    for part in parts:
        amount = prices.amount(part.model, part.input, part.output)
        if amount is None and (part.input or part.output):
            found.unpriced.add(part.model or "(no model)")
        rows[part.keys].add(part, amount)
        found.totals.add(part, amount)
    found.rows = {keys: rows[keys] for keys in sorted(rows, key=lambda keys: [key or "" for key in keys])}
    return found


def row(by: Sequence[Dimension], keys: Sequence[str | None], summed: Summed, prices: Prices) -> UsageRow:
    return UsageRow(**dict(summed.shown(prices)), keys=dict(zip(by, keys, strict=True)))


class Usage:
    """The ledger, kept by the copies."""

    def __init__(self, copies: Copies, directory: Path | None) -> None:
        self._ledger = Ledger(directory)
        self._informer = copies[RUNS]
        self._batches = Batches(
            "the ledger of usage",
            self._take,
            key=_uid,
            only=has_ended,
            needed=False,
            close=self._ledger.close,
        )
        copies.on_change(RUNS, self._changed)

    @property
    def note(self) -> str | None:
        return "; ".join(filter(None, (self._ledger.note, self._ledger.behind))) or None

    def unready(self) -> list[str]:
        return self._batches.unready()

    async def run(self) -> None:
        """Follow the runs until cancelled."""
        await self._batches.run(self._informer)

    async def figures(
        self,
        by: Sequence[Dimension],
        prices: Prices,
        *,
        namespaces: Collection[str] | None,
        since: int | None = None,
        until: int | None = None,
    ) -> Figures:
        """Raises Problem 503 when the ledger was found to be damaged: it is being made anew then."""

        def sums() -> list[Sum]:
            return self._ledger.sums(by, namespaces=namespaces, since=since, until=until)

        try:
            return figures(await self._batches.ask(sums), prices)
        except StartOverError as exc:
            raise self._made_anew() from exc

    async def namespaces(self) -> list[str]:
        """Those of which there is usage. Raises Problem 503 as `figures` does."""
        try:
            return await self._batches.ask(self._ledger.namespaces)
        except StartOverError as exc:
            raise self._made_anew() from exc

    def _made_anew(self) -> Problem:
        self._batches.start_over(self._informer)
        return Problem(503, f"{self.note}; try again", headers={"Retry-After": "5"})

    def _changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None:
            self._batches.take(new)
        elif old is not None and (old.get("status") or {}).get("startedAt"):
            self._batches.take(as_deleted(old))

    def _take(self, runs: Objects, _gone: Keys) -> None:
        self._ledger.write(runs)


def _uid(run: Object) -> str:
    return str(run["metadata"]["uid"])
