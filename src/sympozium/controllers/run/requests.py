"""Calls that the control plane makes for a run: `spawn` starts a run beneath it, `schedule` keeps a schedule, `memory` writes
notes.

A request comes at least once, and comes again from the next attempt of the run. What it makes has a name that derives
from the call, so it is made once; what it is answered is a function of what is there. An answer may be sent twice: the
tool server takes the first.
"""

from sympozium.api import AgentRun
from sympozium.api.base import Object
from sympozium.controllers.context import Context, parse
from sympozium.controllers.run.agenda import Agenda
from sympozium.controllers.run.children import Children
from sympozium.controllers.run.notes import Notes
from sympozium.controllers.run.port import Bus, Ref, Request
from sympozium.names import digest
from sympozium.telemetry import metrics

_REQUESTS = metrics.counter(
    "sympozium_run_requests_total", "Requests of runs for a run, a schedule or a note.", ["kind", "outcome"]
)


class Requests:
    """For one controller. `children` is shared with who looks at the ends of runs."""

    def __init__(self, context: Context, bus: Bus, children: Children) -> None:
        self._bus = bus
        self._children = children
        self._agenda = Agenda(context)
        self._notes = Notes(context)

    async def handle(self, ref: Ref, obj: Object, request: Request) -> None:
        """Do what a run that goes on asks for. Raises what may be better later: the request then comes again."""
        run = parse(AgentRun, obj)
        if request.kind == "spawn":
            answer = await self._children.spawn(obj, run, request)
        elif request.kind == "memory":
            answer = await self._notes.handle(obj, run, request)
        else:
            answer = await self._agenda.handle(obj, run, request)
        if answer is None:
            return  # the child that was asked for will say it
        _REQUESTS.labels(request.kind, "done" if answer.ok else "refused").inc()
        once = digest(request.call, request.time, length=32)
        await self._bus.answer(ref, request.call, ok=answer.ok, text=answer.text, once=once)
