"""The built dashboard: its files, and its page for every path that is nobody else's.

Everything is compressed when it is built (web/vite.config.ts), so nothing is compressed while it is answered. Names in `assets/`
have a hash of their content in them and are kept by browsers for ever; the page itself is asked for anew each time, which
is how a new version arrives.
"""

import mimetypes
from pathlib import Path
from typing import Final

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, Response

from sympozium.server.problems import Problem

WEB: Final = Path(__file__).parent / "web"
_CODINGS: Final = (("br", ".br"), ("gzip", ".gz"))
_FOR_EVER: Final = "public, max-age=31536000, immutable"


def serve(app: FastAPI, web: Path = WEB) -> None:
    """Add it to the application, behind all other routes."""

    @app.api_route("/{path:path}", include_in_schema=False, methods=["GET", "HEAD"])
    async def file(path: str, request: Request) -> Response:
        found = find(web, path)
        if found is None:
            raise Problem(
                404,
                f"/{path} is not there"
                if (web / "index.html").is_file()
                else "the dashboard is not built: make install",
            )
        return answer(found, request.headers.get("accept-encoding", ""), kept=path.startswith("assets/"))


def find(web: Path, path: str) -> Path | None:
    """The file of a path; the page for what is no file; None for an asset of another version."""
    try:
        found = (web / path).resolve()
        if path and found.is_file() and found.is_relative_to(web) and not found.name.startswith("."):
            return found
    except (OSError, ValueError):
        pass  # a name that is too long for a file, or has a NUL, is no file
    index = web / "index.html"
    return index if index.is_file() and not path.startswith("assets/") else None


def answer(file: Path, accepted: str, *, kept: bool) -> Response:
    """The file, in the best coding that the browser takes."""
    headers = {"Cache-Control": _FOR_EVER if kept else "no-cache", "Vary": "Accept-Encoding"}
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    takes = codings(accepted)
    for name, suffix in _CODINGS:
        compressed = file.with_name(file.name + suffix)
        if name in takes and compressed.is_file():
            return FileResponse(compressed, media_type=kind, headers={**headers, "Content-Encoding": name})
    return FileResponse(file, media_type=kind, headers=headers)


def codings(accepted: str) -> set[str]:
    """What a header Accept-Encoding takes (RFC 9110, 12.5.3), but for `*`."""
    found = set()
    for part in accepted.lower().split(","):
        name, _, weight = part.partition(";")
        if weight.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}:
            found.add(name.strip())
    return found
