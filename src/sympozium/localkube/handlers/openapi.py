"""/openapi/v3: the index, and one document a group-version. /openapi/v2: all in one, as JSON or protobuf."""

import asyncio

from sympozium.localkube.errors import not_acceptable
from sympozium.localkube.handlers.backend import OpenAPI
from sympozium.localkube.handlers.discovery import page_not_found
from sympozium.localkube.negotiate import parse_accept
from sympozium.localkube.schema import gnostic
from sympozium.localkube.wire import Answer, Request


async def serve(openapi: OpenAPI, parts: list[str], request: Request) -> Answer:
    """`parts` follow /openapi."""
    if parts == ["v3"]:
        return Answer(body=openapi.index())
    if parts == ["v2"]:
        return await _v2(openapi, request)
    if len(parts) < 2 or parts[0] != "v3":
        return page_not_found()
    found = openapi.document("/".join(parts[1:]))
    if found is None:
        return page_not_found()
    body, digest = found
    headers = [("vary", "Accept")]
    if request.query.get("hash") == digest:
        headers.append(("cache-control", "public, immutable"))
    return _tagged(body, digest, "application/json", headers, request)


async def _v2(openapi: OpenAPI, request: Request) -> Answer:
    """Built in a thread: it takes seconds where a request may take milliseconds, once for each state of the CRDs."""
    protobuf = _wants_protobuf(request)
    body, digest = await asyncio.to_thread(openapi.swagger, protobuf=protobuf)
    content_type = gnostic.CONTENT_TYPE if protobuf else "application/json"
    return _tagged(body, digest, content_type, [("vary", "Accept")], request)


def _wants_protobuf(request: Request) -> bool:
    """Raises ApiError 406."""
    clauses = parse_accept(request.accept)
    for clause in clauses:
        if clause.type in {gnostic.MEDIA_TYPE.lower(), gnostic.CONTENT_TYPE.lower()}:
            return True
        if clause.type in {"application/json", "application/*", "*/*"}:
            return False
    if clauses:
        raise not_acceptable(["application/json", gnostic.MEDIA_TYPE])
    return False


def _tagged(
    body: bytes, digest: str, content_type: str, headers: list[tuple[str, str]], request: Request
) -> Answer:
    etag = f'"{digest}"'
    headers = [("etag", etag), *headers]
    if request.headers.get("if-none-match") == etag:
        return Answer(status=304, headers=headers, content_type=content_type)
    return Answer(body=body, headers=headers, content_type=content_type)
