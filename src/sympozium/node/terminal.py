"""Terminals of containers: a pair of which the node keeps the master."""

import fcntl
import os
import struct
import termios


def open_pair(owner: tuple[int, int] | None) -> tuple[int, int]:
    """Master (non-blocking) and slave, which belongs to `owner` (user and group of the host)."""
    master, slave = os.openpty()
    os.set_blocking(master, False)
    if owner is not None:
        os.fchown(slave, *owner)
    return master, slave


def set_size(terminal: int, width: int, height: int) -> None:
    """The window size in characters; the foreground processes get SIGWINCH. Raises OSError."""
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
