"""Notes that agents keep for their later runs: `remember`.

A write is a compare-and-swap on the ConfigMap, and names the call that it was made for: a request that comes again, from
the bus or from the next attempt of the run, finds its call there and is answered the same. Notes that are full are
the agent's to shorten: nothing is dropped for it.
"""

import json
from typing import Final

from sympozium.api import AgentRun, memory
from sympozium.api.base import Object
from sympozium.api.instance import Memory
from sympozium.controllers.context import Context, MissingError
from sympozium.controllers.run.answer import Answer, unfit
from sympozium.controllers.run.port import Request
from sympozium.kube import AlreadyExistsError, ConflictError, ForbiddenError, InvalidError, RetryLaterError
from sympozium.kube.resources import CONFIG_MAPS
from sympozium.masking import mask_text
from sympozium.names import digest

_REMEMBERED: Final = 64
"""Writes whose calls are kept: more than calls of runs that can be on their way at once."""
_RACES: Final = 5


class Notes:
    """For one controller."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def handle(self, obj: Object, run: AgentRun, request: Request) -> Answer:
        """Write, or find that it is written. Raises what may be better later."""
        try:
            settings = self._context.instance(run.namespace, run.spec.instance_ref).spec.memory
        except MissingError as error:
            return Answer(False, str(error))
        if settings is None or not settings.enabled:
            return Answer(
                False, "spec.memory of this agent's instance is not enabled any more: nothing was noted"
            )
        call = digest(run.metadata.uid, request.call, length=16)
        for _ in range(_RACES):
            try:
                return await self._write(obj, run, settings, request, call)
            except (ConflictError, AlreadyExistsError):
                continue  # another run of the agent wrote
            except (InvalidError, ForbiddenError) as error:
                return Answer(False, f"the notes cannot be written: {error}")
        raise RetryLaterError(f"the notes of {run.spec.instance_ref} keep changing")

    async def _write(
        self, obj: Object, run: AgentRun, settings: Memory, request: Request, call: str
    ) -> Answer:
        instance = run.spec.instance_ref
        name = memory.config_map_name(instance)
        client = self._context.client
        found = await client.find(CONFIG_MAPS, name, run.namespace)
        if found is not None and not memory.is_memory(found, instance):
            return Answer(False, foreign(name))
        before = memory.text_of(found, settings)
        writes = _writes(found)
        if call in writes:
            return _done(before, settings)
        text, refusal = rewritten(before, request.data["action"], str(request.data["text"]), settings)
        if refusal:
            return Answer(False, refusal)
        annotations = {memory.ANNOTATION_WRITES: json.dumps([*writes, call][-_REMEMBERED:])}
        if found is None:
            made = memory.manifest(instance, run.namespace, text)
            made["metadata"]["annotations"] = annotations
            await client.create(CONFIG_MAPS, made)
        else:
            patch = {
                "metadata": {
                    "resourceVersion": found["metadata"]["resourceVersion"],
                    "annotations": annotations,
                },
                "data": {memory.KEY: text},
            }
            await client.patch(CONFIG_MAPS, name, run.namespace, patch)
        self._context.recorder.event(
            obj, "Normal", "Noted", f"notes of {instance}: {len(text.encode())} bytes"
        )
        return _done(text, settings)


def rewritten(before: str, action: str, text: str, settings: Memory) -> tuple[str, str]:
    """(the notes afterwards, why not). Pure. A note is a line of a list; secrets of known shapes are masked."""
    if wrong := unfit(text):
        return "", f"the note {wrong}"
    if not text.strip():
        return "", "the note is empty"
    noted = mask_text(text.strip())
    if action == "replace":
        after = noted + "\n"
    else:
        lines = noted.replace("\n", "\n  ")
        after = before + ("" if not before or before.endswith("\n") else "\n") + f"- {lines}\n"
    size, most = len(after.encode()), memory.most(settings)
    if size > most:
        return "", (
            f"the notes would have {size} bytes, {most} are the most: write them anew and shorter, with action replace"
        )
    return after, ""


def foreign(name: str) -> str:
    """Why there are no notes, in words."""
    return f"ConfigMap {name} is there and is not this agent's notes: rename it, or switch spec.memory of the instance off"


def _done(text: str, settings: Memory) -> Answer:
    return Answer(True, f"noted; the notes have {len(text.encode())} of {memory.most(settings)} bytes")


def _writes(config_map: Object | None) -> list[str]:
    """The calls that were written last; none where a person has broken the annotation."""
    annotations = (config_map or {"metadata": {}})["metadata"].get("annotations") or {}
    try:
        found = json.loads(annotations.get(memory.ANNOTATION_WRITES, "[]"))
    except ValueError:
        return []
    return [item for item in found if isinstance(item, str)] if isinstance(found, list) else []
