"""/openapi/v3: the index, and one document a group-version. /openapi/v2 is not served (404)."""

from sympozium.localkube.handlers.backend import OpenAPI
from sympozium.localkube.handlers.discovery import page_not_found
from sympozium.localkube.wire import Answer, Request


def serve(openapi: OpenAPI, parts: list[str], request: Request) -> Answer:
    """`parts` follow /openapi."""
    if parts == ["v3"]:
        return Answer(body=openapi.index())
    if len(parts) < 2 or parts[0] != "v3":
        return page_not_found()
    found = openapi.document("/".join(parts[1:]))
    if found is None:
        return page_not_found()
    body, digest = found
    etag = f'"{digest}"'
    headers = [("etag", etag), ("vary", "Accept")]
    if request.query.get("hash") == digest:
        headers.append(("cache-control", "public, immutable"))
    if request.headers.get("if-none-match") == etag:
        return Answer(status=304, headers=headers)
    return Answer(body=body, headers=headers)
