"""What is asked of the API and is not there, in words: the path, or the method.

Without it the dashboard's page would answer, which takes every GET: a sender of events that sends GET would be told 200.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import Response
from starlette.routing import Route, compile_path

from sympozium.server.problems import Problem

_METHODS: Final = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]


def serve(app: FastAPI, routers: Sequence[tuple[str, APIRouter]]) -> None:
    """Add it to the application, behind these routers, each with its prefix, and before the dashboard."""
    known = [
        (compile_path(prefix + route.path)[0], route.methods or ())
        for prefix, router in routers
        for route in router.routes
        if isinstance(route, Route)
    ]

    def allowed(path: str) -> Iterable[str]:
        return sorted({method for pattern, methods in known if pattern.match(path) for method in methods})

    @app.api_route("/api/{path:path}", include_in_schema=False, methods=_METHODS)
    @app.api_route("/hooks/{path:path}", include_in_schema=False, methods=_METHODS)
    async def unknown(request: Request) -> Response:
        path = request.url.path
        if methods := ", ".join(allowed(path)):
            raise Problem(405, f"{path} takes {methods}, not {request.method}", headers={"Allow": methods})
        raise Problem(404, f"{path} is not there: /api/v1/openapi.json lists what is")
