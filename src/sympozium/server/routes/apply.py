"""`POST /api/v1/apply`: documents as people keep them in files, applied as the caller."""

import asyncio
from typing import Final

from fastapi import APIRouter

from sympozium.actions import apply as action
from sympozium.actions.errors import ActionError
from sympozium.actions.policies import sources
from sympozium.actions.policies.sources import Sourced
from sympozium.kube import ApiError
from sympozium.kube.resources import without_noise
from sympozium.names import is_label
from sympozium.server.access import CallerOf
from sympozium.server.models.resources import Applied, AppliedObject, ApplyOrder
from sympozium.server.problems import Problem, line_of, of_kubernetes

router = APIRouter(tags=["resources"])
_NAME: Final = "yaml"
_DOCUMENTS: Final = 200


@router.post("/apply")
async def apply_documents(caller: CallerOf, order: ApplyOrder) -> Applied:
    """Server-side apply of each object, of any kind, in order; the first that is refused ends it.

    What was applied before it stays: try it with `dryRun` first. A problem names the line (`line 7`).
    """
    if not is_label(order.namespace):
        raise Problem(422, f"namespace: {order.namespace!r} cannot be a namespace")
    await caller.user()  # for everybody who is somebody: reading a text costs time
    documents = await asyncio.to_thread(_documents, order.yaml)
    warnings: list[str] = []
    caller.kube.on_warning = warnings.append
    items: list[AppliedObject] = []
    for document in documents:
        try:
            applied = await action.apply(
                caller.kube,
                document.obj,
                namespace=order.namespace,
                force=order.force,
                dry_run=order.dry_run,
            )
        except ApiError as error:
            raise _refused(of_kubernetes(error), document, len(items), len(documents)) from error
        except ActionError as error:
            raise _refused(Problem(422, str(error)), document, len(items), len(documents)) from error
        items.append(AppliedObject(object=without_noise(applied.obj), action=applied.what))
    return Applied(items=items, warnings=warnings)


def _documents(text: str) -> list[Sourced]:
    try:
        found = sources.documents(text, _NAME)
    except ActionError as error:
        line, words = line_of(str(error))
        raise _at(Problem(422, words), line) from error
    if not found:
        raise Problem(422, "there is no object in this text")
    if len(found) > _DOCUMENTS:
        raise Problem(422, f"{len(found)} objects: apply at most {_DOCUMENTS} at once")
    return found


def _refused(problem: Problem, document: Sourced, done: int, of: int) -> Problem:
    """The refusal with the lines of what it is about, and what was applied before it."""
    causes = [{**cause, "line": str(document.line(cause.get("field", "")))} for cause in problem.causes]
    line = causes[0]["line"] if causes else str(document.line(""))
    before = f" ({done} of {of} objects were applied before it)" if done else ""
    told = causes or [{"field": "", "reason": problem.reason, "message": problem.detail, "line": line}]
    return Problem(
        problem.status,
        f"line {line}: {problem.detail}{before}",
        reason=problem.reason,
        causes=told,
        headers=problem.headers,
    )


def _at(problem: Problem, line: int) -> Problem:
    cause = {"field": "", "reason": "YAML", "message": problem.detail, "line": str(line)}
    return Problem(problem.status, f"line {line}: {problem.detail}", reason=problem.reason, causes=[cause])
