"""`python -m sympozium.rehearsal --port N [--script FILE] [--api-key KEY] [--pace SECONDS]`."""

from __future__ import annotations

import argparse
import json
import logging
import socket
import sys
from pathlib import Path

import uvicorn

from sympozium.rehearsal.app import Endpoint
from sympozium.rehearsal.script import builtin, load
from sympozium.rehearsal.template import ScriptError


def main(arguments: list[str] | None = None) -> int:
    """Serve on loopback until SIGTERM; prints one line of JSON with the base URL when it listens."""
    parser = argparse.ArgumentParser(prog="python -m sympozium.rehearsal", description="The scripted model.")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    parser.add_argument(
        "--script", type=Path, help="a script (docs/rehearsal.md) instead of the built-in one"
    )
    parser.add_argument("--api-key", help="the only key that is accepted; without it any is")
    parser.add_argument(
        "--pace", type=float, default=0.0, help="seconds between the pieces of a streamed answer"
    )
    options = parser.parse_args(arguments)
    try:
        script = load(options.script) if options.script else builtin()
    except ScriptError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    listener = socket.create_server(("127.0.0.1", options.port))
    # A scripted broken stream is an exception inside the application; its trace would be noise.
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    app = Endpoint(script, api_key=options.api_key, pace=options.pace)
    config = uvicorn.Config(app, lifespan="off", ws="none", access_log=False, log_config=None)
    ready = {"ready": True, "url": f"http://127.0.0.1:{listener.getsockname()[1]}/v1"}
    sys.stdout.write(json.dumps(ready) + "\n")
    sys.stdout.flush()
    uvicorn.Server(config).run(sockets=[listener])
    return 0


if __name__ == "__main__":
    sys.exit(main())
