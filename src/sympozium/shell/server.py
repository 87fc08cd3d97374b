"""The listening side: a thread for each connection, one request on each.

Threads and not asyncio: importing asyncio costs more than everything else here together, and
there is at most one caller (`tools`), which runs one call at a time.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import threading
from typing import TYPE_CHECKING, Any

from sympozium.shell import execute, files, protocol
from sympozium.shell.beneath import PathRefusedError, locate
from sympozium.shell.network import NotClosedError

if TYPE_CHECKING:
    from collections.abc import Callable

_REQUEST_TIMEOUT = 30.0
"""Seconds for a caller to hand over its request; a silent connection is closed."""


class ShellServer:
    """Serves one workspace on one unix socket. `serve` blocks until `stop` is called.

    `before_command` gets the connection of each command, and may refuse it with NotClosedError.
    """

    def __init__(self, *, path: str, workspace: str, before_command: Callable[[socket.socket], None]) -> None:
        self._path = path
        self._workspace = workspace
        self._before_command = before_command
        self._operations: dict[str, Callable[..., dict[str, Any]]] = {
            "read_file": self._read,
            "write_file": self._write,
            "edit_file": self._edit,
            "list_directory": self._list,
            "preview": self._preview,
        }
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)  # noqa: PTH108 - pathlib is start time; left by a container that was restarted
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(path)
        self._socket.listen(16)
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._stop = threading.Event()

    def serve(self) -> None:
        """Accept until stopped, then end what still runs by closing its connection."""
        threads: list[threading.Thread] = []
        while not self._stop.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                if self._stop.is_set():
                    break
                raise
            with self._lock:
                self._connections.add(connection)
            thread = threading.Thread(target=self._handle, args=(connection,), name="shell-call")
            thread.start()
            threads = [t for t in threads if t.is_alive()] + [thread]
        for thread in threads:
            thread.join(execute.GRACE + 1)

    def stop(self) -> None:
        """Stop accepting and hang up on every caller; their commands are killed. From any thread."""
        self._stop.set()
        # shutdown, not close: a blocked accept wakes up, and no descriptor number is reused under it
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        with self._lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Release the socket, after `serve` has returned."""
        self._socket.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)  # noqa: PTH108

    def _handle(self, connection: socket.socket) -> None:
        try:
            connection.settimeout(_REQUEST_TIMEOUT)
            try:
                request = protocol.receive(connection)
                connection.settimeout(None)
                if request is None:
                    return
                answer = self._answer(request, connection)
            except (protocol.ProtocolError, TimeoutError) as error:
                answer = {"ok": False, "error": f"shell: {error}"}
            except ConnectionAbortedError:
                return  # nobody is left to tell; `tools` has the call in its journal
            with contextlib.suppress(OSError):
                connection.sendall(protocol.encode(answer))
        finally:
            with self._lock:
                self._connections.discard(connection)
            connection.close()

    def _answer(self, request: dict[str, Any], connection: socket.socket) -> dict[str, Any]:
        name = request.pop("op", None)
        try:
            if name == "exec":
                return {"ok": True, "result": self._exec(request, connection)}
            operation = self._operations.get(name) if isinstance(name, str) else None
            if operation is None:
                known = ", ".join(["exec", *self._operations])
                return {"ok": False, "error": f"unknown operation {name!r}; there are {known}"}
            return {"ok": True, "result": operation(**request)}
        except (files.OperationError, PathRefusedError) as error:
            return {"ok": False, "error": str(error)}
        except NotClosedError as error:
            why = f"the command was not run: its network cannot be closed here: {error}"
            sys.stderr.write(json.dumps({"msg": why}) + "\n")
            return {"ok": False, "error": why}
        except ConnectionAbortedError:
            raise
        except OSError as error:
            return {"ok": False, "error": f"{error.filename or name}: {error.strerror or error}"}
        except (TypeError, KeyError, ValueError) as error:
            return {"ok": False, "error": f"{name}: wrong arguments: {error}"}

    def _exec(self, request: dict[str, Any], connection: socket.socket) -> dict[str, Any]:
        timeout = float(request.get("timeout") or execute.DEFAULT_TIMEOUT)
        if not 0 < timeout <= execute.MAX_TIMEOUT:
            raise files.OperationError(f"timeout is {timeout} seconds, it must be above 0 and at most 3600")
        workdir = str(request.get("workdir") or ".")
        with locate(self._workspace, workdir) as place:
            directory = place.open(os.O_PATH | os.O_DIRECTORY)
            try:
                self._before_command(connection)
                return execute.run(
                    ["/bin/sh", "-c", request["command"]],
                    cwd=directory,
                    timeout=timeout,
                    max_output=int(request.get("maxOutput") or execute.DEFAULT_OUTPUT),
                    peer=connection,
                )
            finally:
                os.close(directory)

    def _read(self, *, path: str, offset: int = 1, limit: int | None = None) -> dict[str, Any]:
        return files.read_file(self._workspace, path, offset=offset, limit=limit)

    def _write(self, *, path: str, content: str, expect: str | None = None) -> dict[str, Any]:
        return files.write_file(self._workspace, path, content, expect=expect)

    def _edit(self, *, path: str, edits: list[dict[str, Any]], expect: str | None = None) -> dict[str, Any]:
        return files.edit_file(self._workspace, path, edits, expect=expect)

    def _preview(self, *, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        from sympozium.shell.preview import preview

        return preview(self._workspace, tool, arguments)

    def _list(self, *, path: str = ".") -> dict[str, Any]:
        return files.list_directory(self._workspace, path)
