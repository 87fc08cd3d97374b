"""`POST /hooks/<namespace>/<trigger>`: outside of `/api`, since who sends has a token of the trigger and is no user."""

from typing import Annotated

from fastapi import APIRouter, Header, Request
from fastapi.responses import JSONResponse

from sympozium.server.models.hooks import TriggerAnswer
from sympozium.server.parts import PartsOf
from sympozium.server.problems import Problem

router = APIRouter(tags=["triggers"])


@router.post(
    "/hooks/{namespace}/{name}",
    status_code=202,
    response_model=TriggerAnswer,
    responses={200: {"description": "It makes no run, and why.", "model": TriggerAnswer}},
    openapi_extra={
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}},
        "security": [{"trigger": []}],
    },
)
async def fire_trigger(
    namespace: str,
    name: str,
    request: Request,
    parts: PartsOf,
    authorization: Annotated[str, Header()] = "",
    idempotency_key: Annotated[str | None, Header(max_length=256)] = None,
) -> JSONResponse:
    """An event: 202 with the run that it makes, 200 with the reason where it makes none. A run is made when this answers."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Problem(
            401,
            "send the trigger's token: `Authorization: Bearer TOKEN`",
            headers={"WWW-Authenticate": "Bearer"},
        )
    trigger = await parts.hooks.known(namespace, name, token.strip())
    outcome = await parts.hooks.take(trigger, await request.body(), once=idempotency_key)
    if outcome.suppressed:
        return JSONResponse({"run": None, "suppressed": outcome.suppressed}, 200)
    return JSONResponse({"run": outcome.name, "suppressed": None}, 202)
