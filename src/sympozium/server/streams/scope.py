"""Of which namespaces one may see a kind.

Namespaces that are named must all be allowed. Without names it is all of them, or, for who may not see all, those that
they may see: asked about when an object of a namespace comes.
"""

from collections.abc import Callable, Sequence
from typing import Final

from sympozium.server.access import Attributes, Caller

_VERBS: Final = ("list", "watch")
_KNOWN: Final = 10_000


class Scope:
    """`open` it first. `narrowed` is called when less may be seen than before."""

    def __init__(self, caller: Caller, plural: str, namespaces: Sequence[str]) -> None:
        self.plural = plural
        self.narrowed: Callable[[], None] = lambda: None
        self._caller = caller
        self._named = frozenset(namespaces)
        self._all = False
        self._known: dict[str, bool] = {}

    async def open(self) -> None:
        """Raises Problem 403 for a namespace that was named, and UnauthorizedError."""
        if self._named:
            for namespace in sorted(self._named):
                for verb in _VERBS:
                    await self._caller.require(Attributes(verb, self.plural, namespace))
        else:
            self._all = await self._may("")

    async def check(self) -> None:
        """Ask again. Raises what `open` raises."""
        before, had_all = self._known, self._all
        self._known = {}
        await self.open()
        if self._named or self._all:
            return
        lost = [name for name, allowed in before.items() if allowed and not await self.sees(name)]
        if had_all or lost:
            self.narrowed()

    async def sees(self, namespace: str) -> bool:
        if self._named:
            return namespace in self._named
        if self._all:
            return True
        known = self._known.get(namespace)
        if known is None:
            known = await self._may(namespace)
            if len(self._known) >= _KNOWN:
                self._known.clear()
            self._known[namespace] = known
        return known

    async def _may(self, namespace: str) -> bool:
        for verb in _VERBS:
            if not await self._caller.may(Attributes(verb, self.plural, namespace)):
                return False
        return True
