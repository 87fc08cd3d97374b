"""The embedded Kubernetes API alone: one process over a directory, for tests of anything that speaks to Kubernetes.

It has the API server, its controllers and a scheduler, and no node: pods stay Pending unless a test registers
a Node and reports the status itself. `Cluster` is the whole machine, where pods run.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx2

from sympozium.testing.client import Client
from sympozium.up.components import tool

USERS = 'admin-token,admin,1,"system:masters"\nalice-token,alice,2,"devs"\n'
"""What `token_auth_file` names when a test gives none: one who may all, and one who may nothing."""
STOP_SECONDS = 20.0


class KubeProcess:
    """`start` and `stop` or `kill` may alternate: the address and the objects stay."""

    def __init__(
        self, directory: Path, *, port: int = 0, token_auth_file: Path | None = None, log: Path | None = None
    ) -> None:
        """`port` 0 picks one when first started and keeps it. Without `log`, it is localkube.log in the directory."""
        self.data = directory.absolute()
        self.data.mkdir(parents=True, exist_ok=True)
        self.port = port
        self.token_auth_file = token_auth_file
        self.log = log or self.data / "localkube.log"
        self.url = ""
        self._process: subprocess.Popen[str] | None = None

    @property
    def kubeconfig(self) -> Path:
        """The administrator's, in system:masters."""
        return self.data / "kubeconfig"

    @property
    def authority(self) -> Path:
        """The certificate (PEM) that the server's is signed by."""
        return self.data / "pki" / "ca.crt"

    @property
    def pid(self) -> int | None:
        """None while it does not run."""
        return None if self._process is None else self._process.pid

    def start(self) -> str:
        """Returns the URL when it is ready. Raises RuntimeError with what the process said."""
        argv = [
            sys.executable,
            "-m",
            "sympozium.localkube",
            "--data-dir",
            str(self.data),
            "--until-stdin-closes",
        ]
        argv += ["--port", str(self.port)]
        if self.token_auth_file is not None:
            argv += ["--token-auth-file", str(self.token_auth_file)]
        with self.log.open("a") as log:
            # A session of its own: Ctrl-C of the terminal is for the one who started us, who then stops this.
            self._process = subprocess.Popen(
                argv, stdout=subprocess.PIPE, stderr=log, stdin=subprocess.PIPE, text=True,
                start_new_session=True,
            )  # fmt: skip
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._reap()
            raise RuntimeError(_last_words(self.log))
        self.url = str(json.loads(line)["url"])
        return self.url

    def stop(self) -> int:
        """As an administrator: SIGTERM. Returns the exit code; 0 when it was not running."""
        if self._process is None:
            return 0
        self._process.terminate()
        return self._reap()

    def kill(self, number: signal.Signals = signal.SIGKILL) -> int:
        """As a crash. Returns when the process is gone."""
        assert self._process is not None
        self._process.send_signal(number)
        return self._reap()

    def signal(self, number: signal.Signals) -> None:
        """Sends it and returns at once; nothing when the process is not there. May be called in a signal handler."""
        if self._process is not None:
            self._process.send_signal(number)

    def wait(self) -> int:
        """Blocks until the process has ended by itself; its exit code."""
        assert self._process is not None
        code = self._process.wait()
        self._reap()
        return code

    def _reap(self) -> int:
        assert self._process is not None
        assert self._process.stdout is not None
        assert self._process.stdin is not None
        try:
            code = self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._process.stdout.close()
        self._process.stdin.close()
        self._process = None
        return code


class KubeAPI(Client):
    """A running server with a client of the administrator. Use as a context manager."""

    def __init__(self, directory: Path, *, token_auth_file: Path | None = None) -> None:
        """Raises RuntimeError when it cannot start."""
        if token_auth_file is None:
            directory.mkdir(parents=True, exist_ok=True)
            token_auth_file = directory / "users.csv"
            token_auth_file.write_text(USERS)
        self.process = KubeProcess(directory, token_auth_file=token_auth_file)
        self.process.start()
        super().__init__(self.process.kubeconfig)

    @property
    def kubeconfig(self) -> Path:
        return self.process.kubeconfig

    @property
    def url(self) -> str:
        return self.process.url

    def client_for(self, token: str) -> httpx2.Client:
        """A bare HTTP client for a user of the token file; close it."""
        import ssl

        context = ssl.create_default_context(cafile=self.process.authority)
        headers = {"Authorization": f"Bearer {token}"}
        return httpx2.Client(base_url=self.url, verify=context, headers=headers, trust_env=False)

    def kubectl(
        self, *arguments: str, stdin: str | None = None, environ: Mapping[str, str] | None = None
    ) -> str:
        """What the real kubectl prints. Raises AssertionError with its errors."""
        done = subprocess.run(
            [tool("kubectl"), "--kubeconfig", str(self.kubeconfig), *arguments],
            input=stdin, capture_output=True, text=True, check=False, timeout=60,
            env={**os.environ, **(environ or {})},
        )  # fmt: skip
        if done.returncode:
            raise AssertionError(
                f"kubectl {' '.join(arguments)}: exit {done.returncode}: {done.stderr}{done.stdout}"
            )
        return done.stdout

    def restart(self, *, crash: bool = False) -> None:
        """`crash` ends it with SIGKILL; what was answered before is there afterwards."""
        if crash:
            self.process.kill()
        else:
            self.process.stop()
        self.process.start()

    def close(self) -> None:
        super().close()
        self.process.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _last_words(log: Path) -> str:
    """Why it did not start: its last line that is no log record."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    said = [line for line in lines if line.startswith("localkube: ")]
    return (said or lines or ["it ended without a word"])[-1].removeprefix("localkube: ")
