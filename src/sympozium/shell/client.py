"""The asyncio side of the shell's protocol, for `tools`."""

from __future__ import annotations

import asyncio
from typing import Any

from sympozium.shell import protocol


class ShellError(Exception):
    """The operation was refused or failed; the text is for the model."""


class ShellLostError(Exception):
    """The shell container cannot be reached, or went away inside a call."""


class ShellClient:
    """Calls of one shell. Cancelling a call hangs up, which ends the command it started."""

    def __init__(self, path: str) -> None:
        self._path = path

    async def call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """One operation of `sympozium.shell.protocol`; its `result`.

        Raises ShellError with the shell's words, ShellLostError when there is no answer. Has no
        time limit of its own: `exec` is bounded by its timeout, files by their sizes.
        """
        request = protocol.encode({"op": operation, **arguments})
        try:
            reader, writer = await asyncio.open_unix_connection(self._path)
        except OSError as error:
            raise ShellLostError(f"the shell does not answer on {self._path}: {error}") from error
        try:
            writer.write(request)
            await writer.drain()
            header = await reader.readexactly(4)
            answer = protocol.decode(await reader.readexactly(protocol.length(header)))
        except (OSError, asyncio.IncompleteReadError, protocol.ProtocolError) as error:
            raise ShellLostError(
                f"the shell went away during {operation}; whether it took effect is not known ({error})"
            ) from error
        finally:
            writer.close()
        if not answer.get("ok"):
            raise ShellError(str(answer.get("error")))
        result = answer["result"]
        assert isinstance(result, dict)
        return result
