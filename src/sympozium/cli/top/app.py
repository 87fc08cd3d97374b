"""The loop of `sympozium top`: watches fill the board, keys move in it, and a person's orders are carried out beside it.

Everything is done as the person whose kubeconfig it is. What goes wrong meanwhile (a watch that broke, a refusal) is said in
the last line of the screen; a broken watch is tried again until it is back.
"""

import asyncio
import logging
import signal
import sys
import time
from collections.abc import Coroutine
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sympozium.actions import approvals as deciding, stop
from sympozium.actions.approvals import Decision
from sympozium.actions.bus import open_reader
from sympozium.actions.errors import ActionError
from sympozium.actions.stop import Which
from sympozium.api.config import NAME as CONFIG
from sympozium.api.meta import SYSTEM_NAMESPACE
from sympozium.bus.errors import BusError
from sympozium.bus.subjects import RunRef
from sympozium.cli.approvals import described
from sympozium.cli.failures import CommandError, one_line
from sympozium.cli.output import plain, print_rows, say
from sympozium.cli.session import Session
from sympozium.cli.top import pages
from sympozium.cli.top.board import Board, Row, board, slim
from sympozium.cli.top.pages import Pager, Place
from sympozium.cli.transcript import Transcript
from sympozium.kube import ForbiddenError, Informer, KubeError
from sympozium.kube.resources import Object
from sympozium.resources import APPROVALS, CONFIGS, RUNS

if TYPE_CHECKING:  # it loads curses, which no table needs
    from sympozium.cli.top.screen import Screen

_TICK: Final = 1.0
_FRAME: Final = 0.04
"""Seconds between two frames at least: streams of tokens are drawn together."""
_NOTICE: Final = 8.0
_PATIENCE: Final = 10.0


async def top(session: Session, *, everywhere: bool) -> int:
    """Until the person leaves; one plain table where standard output is no terminal."""
    namespace = None if everywhere else session.namespace
    try:
        # Once before the screen is taken: what is refused or does not answer is an ordinary error.
        await session.client.request("GET", RUNS.path(namespace), query={"limit": "1"})
    except ForbiddenError as exc:
        hint = "" if namespace else "; without -A it is one namespace"
        raise CommandError(f"{one_line(str(exc))}{hint}") from exc
    if not (sys.stdout.isatty() and sys.stdin.isatty()):
        return await _once(session, namespace)
    from sympozium.cli.top.screen import NoScreenError, Screen

    try:
        with Screen() as screen:
            await App(session, namespace, screen).run()
    except NoScreenError as exc:
        print(f"no live view ({exc}); one table instead", file=sys.stderr)
        return await _once(session, namespace)
    return 0


async def _once(session: Session, namespace: str | None) -> int:
    client, now = session.client, datetime.now(UTC)
    runs = [slim(run) for run in await client.list(RUNS, namespace)]
    found = board(runs, await client.list(APPROVALS, namespace), stopped=await _stopped(session), now=now)
    say(pages.counts(found))
    if found.rows:
        print_rows(pages.table(found, now, everywhere=namespace is None))
    return 0


async def _stopped(session: Session) -> bool:
    """Not to be told where one may not look: then nothing is said of it."""
    try:
        config = await session.client.find(CONFIGS, CONFIG, SYSTEM_NAMESPACE)
    except ForbiddenError:
        return False
    return _is_stopped(config)


def _is_stopped(config: Object | None) -> bool:
    return bool(config and (config.get("spec") or {}).get("suspend"))


class App:
    """What is known, what is on the screen, and what is under way."""

    def __init__(self, session: Session, namespace: str | None, screen: "Screen") -> None:
        self._client, self._namespace, self._screen = session.client, namespace, screen
        self._runs = Informer(session.client, RUNS, namespace=namespace, transform=slim)
        self._approvals = Informer(session.client, APPROVALS, namespace=namespace)
        self._configs = Informer(
            session.client, CONFIGS, namespace=SYSTEM_NAMESPACE, fields=f"metadata.name={CONFIG}"
        )
        where = f"namespace {namespace}" if namespace else "all namespaces"
        self._title = f"sympozium top: {where} at {session.client.access.server}"
        self._board, self._place = Board(), Place()
        self._pager: Pager | None = None
        self._asked: tuple[str, str, str, Decision] | None = None
        self._confirm: tuple[str, Coroutine[Any, Any, None]] | None = None
        self._following: asyncio.Task[None] | None = None
        self._notice, self._notice_until = "", 0.0
        self._dirty, self._counted_at, self._cost = True, 0.0, 0.0
        self._wake = asyncio.Event()
        self._over = False

    # -- the loop

    async def run(self) -> None:
        """Returns when the person leaves, or the terminal does."""
        loop = asyncio.get_running_loop()
        log, handler = logging.getLogger(), _Notices(self)
        log.addHandler(handler)
        self._client.on_warning = self.say
        loop.add_reader(sys.stdin.fileno(), self._wake.set)
        loop.add_signal_handler(signal.SIGWINCH, self._wake.set)
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            loop.add_signal_handler(number, self._leave)
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                watches = [
                    group.create_task(self._watch(i)) for i in (self._runs, self._approvals, self._configs)
                ]
                await self._loop()
                for task in [*watches, *([self._following] if self._following else [])]:
                    task.cancel()
        finally:
            loop.remove_reader(sys.stdin.fileno())
            log.removeHandler(handler)
            if self._confirm:
                self._confirm[1].close()

    def _leave(self) -> None:
        self._over = True
        self._wake.set()

    async def _watch(self, informer: Informer) -> None:
        informer.add_handler(self._changed)
        await informer.run()

    def _changed(self, _old: Object | None, _new: Object | None) -> None:
        self._dirty = True
        self._wake.set()

    async def _loop(self) -> None:
        anew = False
        while not self._over:
            self._draw(anew=anew)
            anew = False
            with suppress(TimeoutError):
                async with asyncio.timeout(_TICK):
                    await self._wake.wait()
            self._wake.clear()
            for key in self._screen.typed():
                if key == "redraw":
                    anew = True
                elif key not in ("", "resize"):
                    self._press(key)
            await asyncio.sleep(_FRAME)

    def _draw(self, *, anew: bool) -> None:
        now, size = datetime.now(UTC), self._screen.size()
        self._count(now)
        smallest = pages.SMALLEST
        if size[0] < smallest[0] or size[1] < smallest[1]:
            lines = pages.too_small(size)
        elif self._pager:
            lines = self._pager.draw(size, self._words())
        else:
            lines = pages.draw_board(
                self._board, self._place, size, now=now, title=self._title, notice=self._words(),
                everywhere=self._namespace is None,
            )  # fmt: skip
        self._screen.show(lines, anew=anew)

    def _count(self, now: datetime) -> None:
        """The board anew where something changed, as long as that leaves most of the time to others."""
        began = time.monotonic()
        if not self._dirty or began < self._counted_at + 4 * self._cost:
            return
        stopped = any(_is_stopped(config) for config in self._configs.list())
        self._board = board(self._runs.list(), self._approvals.list(), stopped=stopped, now=now)
        if self._place.key is None and self._board.rows:
            self._place.key = self._board.rows[0].key
        self._dirty, self._counted_at = False, time.monotonic()
        self._cost = self._counted_at - began

    def say(self, words: str) -> None:
        """In the last line, for some seconds."""
        self._notice = f"{datetime.now():%H:%M:%S} {plain(one_line(words))}"  # noqa: DTZ005 - a person's clock
        self._notice_until = time.monotonic() + _NOTICE
        self._wake.set()

    def _words(self) -> str:
        if self._confirm:
            return self._confirm[0]
        if not self._runs.has_synced and not self._notice:
            return "reading the runs ..."
        return self._notice if time.monotonic() < self._notice_until else ""

    # -- keys

    def _press(self, key: str) -> None:
        if self._confirm:
            self._answer(key)
        elif self._pager:
            self._in_pager(self._pager, key)
        elif key == "q":
            self._over = True
        elif (row := self._place.selected(self._board.rows)) is not None:
            self._on_row(row, key)

    def _on_row(self, row: Row, key: str) -> None:
        if key == "enter":
            self._open_transcript(row)
        elif key in ("a", "d"):
            self._open_approval(row, "Approved" if key == "a" else "Denied")
        elif key == "s":
            self._ask_stop(row)
        else:
            self._place.move(key, self._board.rows, pages.table_height(self._screen.size()))

    def _in_pager(self, pager: Pager, key: str) -> None:
        if key in ("esc", "q", "n"):
            self._close_pager()
        elif key == "y" and self._asked:
            self._decide_asked(pager)
        else:
            pager.move(key, self._screen.size())

    def _close_pager(self) -> None:
        if self._following:
            self._following.cancel()
        self._pager = self._following = self._asked = None

    def _answer(self, key: str) -> None:
        assert self._confirm is not None
        _, order = self._confirm
        self._confirm = None
        if key == "y":
            self._group.create_task(self._carefully(order))
        else:
            order.close()
            self.say("nothing was changed")

    async def _carefully(self, order: Coroutine[Any, Any, None]) -> None:
        """A refusal is words, not the end of the view."""
        try:
            await order
        except (KubeError, ActionError, BusError) as exc:
            self.say(str(exc))

    # -- transcripts

    def _open_transcript(self, row: Row) -> None:
        self._pager = Pager(f" {row.key[0]}/{row.key[1]}: transcript")
        order = self._follow(self._pager, RunRef(*row.key, row.uid))
        self._following = self._group.create_task(self._carefully(order))

    async def _follow(self, pager: Pager, ref: RunRef) -> None:
        transcript = Transcript()
        async with open_reader(self._client) as reader, aclosing(reader.follow(ref)) as messages:
            async for stored in messages:
                pager.lines.feed(transcript.text(stored.message.type, dict(stored.message.data)))
                self._wake.set()

    # -- decisions

    def _open_approval(self, row: Row, decision: Decision) -> None:
        request = self._approvals.get(row.key[0], row.approval) if row.approval else None
        if request is None:
            self.say(f"nothing waits for a decision in {row.key[1]}")
            return
        word = "APPROVE this call, once" if decision == "Approved" else "DENY this call"
        pager = Pager(
            f" {row.key[0]}/{row.approval}", keys=f"y {word}   n esc back   ↑↓ scroll", follow=False
        )
        pager.lines.feed("\n".join(described(request)) + "\n")
        self._pager = pager
        self._asked = (row.key[0], row.approval, request["spec"].get("argsDigest") or "", decision)

    def _decide_asked(self, pager: Pager) -> None:
        assert self._asked is not None
        if self._asked[3] == "Approved" and not pager.seen_end:
            self.say("there is more below: see all of it before you approve (end)")
            return
        order = self._decide(*self._asked)
        self._close_pager()
        self._group.create_task(self._carefully(order))

    async def _decide(self, namespace: str, name: str, digest: str, decision: Decision) -> None:
        decided = await deciding.decide(self._client, namespace, name, decision, args_digest=digest)
        self.say(f"{name}: {decision} by {decided['status'].get('decidedBy')}")

    # -- stopping

    def _ask_stop(self, row: Row) -> None:
        if row.ended:
            self.say(f"{row.key[1]} has ended")
        elif row.suspended:
            self._confirm = (f"let {row.key[1]} go on? y/n", self._resume(row))
        else:
            self._confirm = (
                f"stop {row.key[1]}: no tool call and no step begins in it? y/n",
                self._stop(row),
            )

    async def _stop(self, row: Row) -> None:
        which = Which(row.key[0], names=[row.key[1]])
        self.say(f"stopping {row.key[1]} ...")
        outcome = await stop.stop(self._client, which, seconds=_PATIENCE)
        late = outcome.late(stop.stands)
        words = "; ".join(outcome.failed.values()) or outcome.blind
        known = f"not known whether it stands still after {_PATIENCE:.0f} s" if late else "it stands still"
        self.say(f"{row.key[1]}: {words or known}")

    async def _resume(self, row: Row) -> None:
        which = Which(row.key[0], names=[row.key[1]])
        outcome = await stop.resume(self._client, which, seconds=_PATIENCE)
        late = outcome.late(stop.goes_on)
        known = f"not known whether it goes on after {_PATIENCE:.0f} s" if late else "it goes on"
        # By its own word; while the installation is stopped it is held all the same.
        self.say(f"{row.key[1]}: {'; '.join(outcome.failed.values()) or known}")


class _Notices(logging.Handler):
    """What our own modules warn of, in the last line instead of across the screen."""

    def __init__(self, app: App) -> None:
        super().__init__(logging.WARNING)
        self._app = app

    def emit(self, record: logging.LogRecord) -> None:
        self._app.say(record.getMessage())
