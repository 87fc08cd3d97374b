"""A command at a terminal of its own: what it shows is waited for, keys are typed."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[()][AB0]|\x1b[=>]|\r")


class Terminal:
    """Use as a context manager. `text` is all that was shown so far, without control sequences."""

    def __init__(
        self, argv: Sequence[str], environ: Mapping[str, str], *, rows: int = 30, columns: int = 120
    ) -> None:
        self._master, slave = pty.openpty()
        self.raw = b""
        self.seen = 0
        self.resize(rows, columns, tell=False)
        environ = {**environ, "TERM": "xterm-256color"}
        self.process = subprocess.Popen(
            argv, stdin=slave, stdout=slave, stderr=slave, env=environ, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - no threads here
        )  # fmt: skip
        os.close(slave)

    @property
    def text(self) -> str:
        return _CONTROL.sub("", self.raw.decode(errors="replace"))

    def expect(self, words: str, *, timeout: float = 60) -> str:
        """Wait until `words` are shown after what was expected last; returns what came up to them."""
        end = time.monotonic() + timeout
        while (place := self.text.find(words, self.seen)) < 0:
            left = end - time.monotonic()
            assert left > 0, f"{words!r} was not shown within {timeout:.0f} s:\n{self.text[self.seen :]}"
            if not self._read(left):
                place = self.text.find(words, self.seen)
                assert place >= 0, f"it ended without {words!r}:\n{self.text[self.seen :]}"
                break
        before = self.text[self.seen : place + len(words)]
        self.seen = place + len(words)
        return before

    def quiet(self, seconds: float) -> str:
        """All that is shown until nothing more comes for so long."""
        before = -1
        while before != len(self.raw):
            before = len(self.raw)
            self._read(seconds)
        return self.text[self.seen :]

    def _read(self, timeout: float) -> bool:
        """False when nothing more will come."""
        readable, _, _ = select.select([self._master], [], [], timeout)
        if not readable:
            return True
        try:
            part = os.read(self._master, 65536)
        except OSError:  # the other side is closed
            return False
        self.raw += part
        return bool(part)

    def send(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def resize(self, rows: int, columns: int, *, tell: bool = True) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        if tell:
            os.killpg(self.process.pid, signal.SIGWINCH)

    def wait(self, *, timeout: float = 60) -> int:
        """The exit code, once it has ended by itself."""
        end = time.monotonic() + timeout
        while self._read(max(end - time.monotonic(), 0)):
            assert time.monotonic() < end, f"it has not ended:\n{self.text[self.seen :]}"
        return self.process.wait(timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(60)
        os.close(self._master)
