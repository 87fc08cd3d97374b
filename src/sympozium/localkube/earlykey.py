"""The first ServiceAccount key is made while the modules are imported: RSA takes 40 ms, and no interpreter lock.

`begin` is called before anything else of the server; `take` hands out what it made, once.
"""

import argparse
import threading
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa

BITS = 2048


class _Made:
    def __init__(self) -> None:
        self._key: rsa.RSAPrivateKey | None = None
        self._thread = threading.Thread(target=self._make, name="service-account-key", daemon=True)
        self._thread.start()

    def _make(self) -> None:
        self._key = make()

    def take(self) -> rsa.RSAPrivateKey | None:
        """Waits until it is made. None when the making failed: the thread has said why."""
        self._thread.join()
        return self._key


_made: list[_Made] = []


def make() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=BITS)


def begin(argv: list[str]) -> None:
    """Starts making a key when the data directory of the command line has none."""
    flags = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    flags.add_argument("--data-dir", type=Path)
    try:
        found: Path | None = flags.parse_known_args(argv)[0].data_dir
    except argparse.ArgumentError:
        return  # the whole parser says what is wrong
    if found is not None and not (found / "pki" / "sa.key").exists():
        _made.append(_Made())


def take() -> rsa.RSAPrivateKey:
    """A fresh key: the one that was begun, else a new one."""
    return (_made.pop().take() if _made else None) or make()
