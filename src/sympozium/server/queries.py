"""Query parameters: one that a route does not know is refused, and so is one that is given twice where one is taken.

Passed over in silence, a misspelt filter would show everything, and `?dryrun=true` would delete what it was to try.
"""

from collections import Counter
from typing import Any, get_args, get_origin

from fastapi import Request
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Query
from fastapi.routing import APIRoute

from sympozium.server.guards.origin import CALLBACK
from sympozium.server.problems import Problem


async def known_query(request: Request) -> None:
    """A dependency of every route below `/api`. What a provider adds to its answer (OIDC) is the provider's. Raises Problem 422."""
    given = Counter(name for name, _ in request.query_params.multi_items())
    if not given or request.url.path == CALLBACK:
        return
    known = _known(request.scope["route"])
    causes = []
    for name, times in given.items():
        if name not in known:
            there = f"there are: {', '.join(sorted(known))}" if known else "there is none"
            causes.append(_cause(name, "unknown", f"no such parameter here; {there}"))
        elif times > 1 and not known[name]:
            causes.append(_cause(name, "repeated", f"given {times} times, and one is taken"))
    if causes:
        words = "; ".join(f"{cause['field']}: {cause['message']}" for cause in causes[:5])
        raise Problem(422, f"the request is not valid: {words}", causes=causes)


def _known(route: APIRoute) -> dict[str, bool]:
    """The parameters of a route, and whether each may be repeated."""
    fields = (field for field in get_flat_params(route.dependant) if isinstance(field.field_info, Query))
    return {field.alias: _is_list(field.field_info.annotation) for field in fields}


def _is_list(annotation: Any) -> bool:
    return any(get_origin(one) is list for one in (annotation, *get_args(annotation)))


def _cause(name: str, reason: str, message: str) -> dict[str, str]:
    return {"field": f"query.{name[:100]}", "reason": reason, "message": message}
