"""`sympozium kube`: the embedded Kubernetes API alone, in the foreground or around one command.

Without --data-dir it lives in a temporary directory that is removed at the end.
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

from sympozium.cli.failures import EXIT_USAGE, CommandError
from sympozium.testing.kube import KubeProcess

FORWARDED = (signal.SIGTERM, signal.SIGHUP)


def run(
    command: list[str], *, data_dir: Path | None, port: int, token_auth_file: Path | None, write: Path | None
) -> int:
    """The exit code of `command`; without one, 0 after Ctrl-C or SIGTERM. Raises CommandError."""
    if token_auth_file is not None and not token_auth_file.is_file():
        raise CommandError(f"--token-auth-file {token_auth_file}: there is no such file", EXIT_USAGE)
    with _directory(data_dir) as directory, _ended_by_signals():
        server = KubeProcess(directory, port=port, token_auth_file=token_auth_file)
        try:
            url = server.start()
        except (RuntimeError, OSError) as exc:
            raise CommandError(f"the embedded API did not start: {exc}") from exc
        try:
            if write is not None:
                _copy(server.kubeconfig, write)
            if command:
                return _around(command, server.kubeconfig)
            return _foreground(server, url, write or server.kubeconfig)
        finally:
            server.stop()


@contextlib.contextmanager
def _directory(data_dir: Path | None) -> Iterator[Path]:
    if data_dir is not None:
        yield data_dir
        return
    with tempfile.TemporaryDirectory(prefix="sympozium-kube-") as made:
        yield Path(made)


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP end us as Ctrl-C does, so that what we started is stopped and removed."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in FORWARDED}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _copy(kubeconfig: Path, target: Path) -> None:
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError as exc:
        raise CommandError(f"--write-kubeconfig {target}: {exc.strerror}") from exc
    with os.fdopen(descriptor, "wb") as file:
        file.write(kubeconfig.read_bytes())


def _around(command: list[str], kubeconfig: Path) -> int:
    """Run the command with KUBECONFIG set; the signals of a terminal reach it as well as us."""
    try:
        process = subprocess.Popen(command, env={**os.environ, "KUBECONFIG": str(kubeconfig)})
    except OSError as exc:
        raise CommandError(f"{command[0]}: {exc.strerror}", 127) from exc
    while True:
        try:
            code = process.wait()
        except KeyboardInterrupt:
            process.terminate()
        else:
            # As a shell counts: 128 and the signal.
            return code if code >= 0 else 128 - code


def _foreground(server: KubeProcess, url: str, kubeconfig: Path) -> int:
    print(f"Kubernetes API at {url}")
    print(f"  export KUBECONFIG={kubeconfig}")
    print("No pods run here (that is `sympozium up`). Ctrl-C ends it.", flush=True)
    try:
        code = server.wait()
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 0
    raise CommandError(f"the embedded API ended with {code}: see {server.log}")
