"""`sympozium kube`: the embedded Kubernetes API alone, in the foreground or around one command.

Without --data-dir it lives in a temporary directory that is removed at the end. Signals are passed on to what
runs, and we end when that has ended: nothing is raised in the middle of our own work.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Self

from sympozium.cli.failures import EXIT_USAGE, CommandError
from sympozium.testing.kube import KubeProcess

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(
    command: list[str], *, data_dir: Path | None, port: int, token_auth_file: Path | None, write: Path | None
) -> int:
    """The exit code of `command`; without one, 0 after Ctrl-C or SIGTERM. Raises CommandError."""
    if token_auth_file is not None and not token_auth_file.is_file():
        raise CommandError(f"--token-auth-file {token_auth_file}: there is no such file", EXIT_USAGE)
    with _directory(data_dir) as directory:
        server = KubeProcess(directory, port=port, token_auth_file=token_auth_file)
        try:
            with _Signals(server) as signals:
                return _run(command, server, signals, write)
        finally:
            server.stop()


def _run(command: list[str], server: KubeProcess, signals: "_Signals", write: Path | None) -> int:
    try:
        url = server.start()
    except (RuntimeError, OSError) as exc:
        if signals.came:
            return 128 + signals.came
        raise CommandError(f"the embedded API did not start: {exc}") from exc
    if signals.came:
        return 128 + signals.came
    if write is not None:
        _copy(server.kubeconfig, write)
    if command:
        return _around(command, server.kubeconfig, signals)
    return _foreground(server, url, write or server.kubeconfig, signals)


@contextlib.contextmanager
def _directory(data_dir: Path | None) -> Iterator[Path]:
    if data_dir is not None:
        yield data_dir
        return
    with tempfile.TemporaryDirectory(prefix="sympozium-kube-") as made:
        yield Path(made)


class _Signals:
    """While entered, SIGINT, SIGTERM and SIGHUP go to the command, or end the server where there is none."""

    def __init__(self, server: KubeProcess) -> None:
        self.came = 0
        self.command: subprocess.Popen[bytes] | None = None
        self._server = server
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._handle) for number in SIGNALS}
        return self

    def __exit__(self, *_exc: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal() gave back

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        self.came = self.came or number
        if self.command is None:
            self._server.signal(signal.SIGTERM)
        elif number != signal.SIGINT:
            # Ctrl-C reaches the command by itself: it is in the terminal's foreground with us.
            self.command.send_signal(number)


def _copy(kubeconfig: Path, target: Path) -> None:
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError as exc:
        raise CommandError(f"--write-kubeconfig {target}: {exc.strerror}") from exc
    with os.fdopen(descriptor, "wb") as file:
        file.write(kubeconfig.read_bytes())


def _around(command: list[str], kubeconfig: Path, signals: _Signals) -> int:
    """Run the command with KUBECONFIG set."""
    try:
        signals.command = subprocess.Popen(command, env={**os.environ, "KUBECONFIG": str(kubeconfig)})
    except OSError as exc:
        raise CommandError(f"{command[0]}: {exc.strerror}", 127) from exc
    code = signals.command.wait()
    # As a shell counts: 128 and the signal.
    return code if code >= 0 else 128 - code


def _foreground(server: KubeProcess, url: str, kubeconfig: Path, signals: _Signals) -> int:
    print(f"Kubernetes API at {url}")
    print(f"  export KUBECONFIG={kubeconfig}")
    print("No pods run here (that is `sympozium up`). Ctrl-C ends it.", flush=True)
    code = server.wait()
    if signals.came:
        print("stopped", file=sys.stderr)
        return 0
    raise CommandError(f"the embedded API ended with {code}: see {server.log}")
