"""The application: routes over Parts, problems, the dashboard's files."""

import functools
from collections.abc import Sequence
from typing import Any, Final

from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import APIRoute
from starlette.types import ASGIApp

from sympozium import __version__
from sympozium.server import dashboard, problems, unknown
from sympozium.server.agents.endpoints import Endpoints
from sympozium.server.guards.order import around
from sympozium.server.hooks import route as hooks
from sympozium.server.models import problem
from sympozium.server.parts import Parts
from sympozium.server.queries import known_query
from sympozium.server.routes import (
    agents,
    apply,
    approvals,
    catalogue,
    inspection,
    memory,
    oidc,
    packs,
    policies,
    resources,
    runs,
    schedules,
    session,
    setup,
    stop,
    streams,
    usage,
)

ROUTERS: Final[Sequence[APIRouter]] = (
    session.router,
    oidc.router,
    setup.router,
    runs.router,
    streams.router,
    catalogue.router,
    resources.router,
    memory.router,
    apply.router,
    approvals.router,
    packs.router,
    schedules.router,
    policies.router,
    agents.router,
    usage.router,
    inspection.router,
    stop.router,
)
"""Under `/api/v1`."""


def build(parts: Parts) -> ASGIApp:
    """The application over its parts, behind its guards."""
    app = declare()
    app.state.parts = parts
    return around(Endpoints(app, parts), parts)


def declare() -> FastAPI:
    """Routes and errors alone, from which the OpenAPI document is made."""
    app = FastAPI(
        title="Sympozium",
        version=__version__,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,  # these pages load scripts from other hosts
        redoc_url=None,
        generate_unique_id_function=_operation_id,
        separate_input_output_schemas=False,
    )
    problems.install(app)
    for router in ROUTERS:
        app.include_router(
            router, prefix="/api/v1", responses=problem.RESPONSES, dependencies=[Depends(known_query)]
        )
    app.include_router(hooks.router, responses=problem.RESPONSES)
    generated = app.openapi
    # FastAPI's own way to extend the document, which is made once.
    app.openapi = functools.cache(lambda: problem.described(generated()))  # type: ignore[method-assign]

    unknown.serve(app, [("/api/v1", router) for router in ROUTERS] + [("", hooks.router)])
    dashboard.serve(app)
    return app


def openapi() -> dict[str, Any]:
    """The document of `/api/v1/openapi.json`."""
    return declare().openapi()


def _operation_id(route: APIRoute) -> str:
    """The function's name: the dashboard's types are named by it."""
    return route.name
