"""A whole control plane in a directory of its own, for the length of a test session."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from sympozium.testing.client import Client
from sympozium.up.components import tool
from sympozium.up.paths import DataDir
from sympozium.up.state import read


class Cluster(Client):
    """`sympozium up` on free ports. Use as a context manager; `stop` and `start` may alternate.

    `environ` is added to the environment of `up`: `OPENAI_BASE_URL` and `OPENAI_API_KEY` name the
    model endpoint; without them it is the rehearsal model.
    """

    def __init__(
        self, data_dir: Path, *, environ: Mapping[str, str] | None = None, token_auth_file: Path | None = None
    ) -> None:
        self.data = DataDir(data_dir.absolute())
        self.environ = {k: v for k, v in os.environ.items() if not k.startswith("OPENAI_")} | dict(
            environ or {}
        )
        self.token_auth_file = token_auth_file
        self.start()
        super().__init__(self.data.kubeconfig)

    def start(self) -> None:
        """Returns when everything is ready. Raises AssertionError with what `up` said."""
        argv = ["up", "--detach", "--port", "0"]
        if self.token_auth_file:
            argv += ["--token-auth-file", str(self.token_auth_file)]
        self._command(*argv)

    def stop(self) -> None:
        self._command("down")

    def _command(self, command: str, *arguments: str) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "sympozium", command, "--data-dir", str(self.data.root), *arguments],
            env=self.environ, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        if done.returncode:
            raise AssertionError(f"sympozium {command}: {done.stderr or done.stdout}")

    @property
    def dashboard_url(self) -> str:
        """Where the dashboard and the REST API are (docs/api.md)."""
        state = read(self.data)
        assert state is not None
        return state.dashboard

    @property
    def admin_token(self) -> str:
        """The administrator's bearer token."""
        return (self.data.pki / "admin.token").read_text().strip()

    def kill(self, *names: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Signal the named processes of `up` (`supervisor`, `api`, `node`, `controllers`, `webhook`, `bus`,
        `rehearsal`), or all of them when none is named: the supervisor first, so that nothing comes back.
        """
        state = read(self.data)
        assert state is not None
        pids = {"supervisor": state.pid, **{name: child.pid for name, child in state.children.items()}}
        for name in names or pids:
            pid = pids[name]
            if pid is not None:
                os.kill(pid, number)

    def kubectl(
        self,
        *arguments: str,
        program: str | None = None,
        stdin: str | None = None,
        check: bool = True,
        timeout: float = 60,
    ) -> str:
        """Standard output of the real kubectl with the administrator's kubeconfig."""
        done = subprocess.run(
            [program or tool("kubectl"), "--kubeconfig", str(self.data.kubeconfig), *arguments],
            input=stdin, capture_output=True, text=True, check=False, timeout=timeout, env=self.environ,
        )  # fmt: skip
        if check and done.returncode:
            raise AssertionError(
                f"kubectl {' '.join(arguments)}: exit {done.returncode}: {done.stderr}{done.stdout}"
            )
        return done.stdout + ("" if check else done.stderr)

    def sympozium(
        self, *arguments: str, kubeconfig: Path | None = None, check: bool = True, timeout: float = 120
    ) -> "subprocess.CompletedProcess[str]":
        """Run the command line as a person of this cluster would."""
        done = subprocess.run(
            [sys.executable, "-m", "sympozium", *arguments],
            env={**self.environ, "KUBECONFIG": str(kubeconfig or self.data.kubeconfig), "NO_COLOR": "1"},
            capture_output=True, text=True, check=False, timeout=timeout,
        )  # fmt: skip
        if check and done.returncode:
            raise AssertionError(
                f"sympozium {' '.join(arguments)}: exit {done.returncode}: {done.stderr}{done.stdout}"
            )
        return done

    def logs(self) -> str:
        """The ends of the components' logs, for the report of a failed test."""
        parts = []
        for path in sorted(self.data.logs.glob("*.log")):
            tail = "\n".join(path.read_text(errors="replace").splitlines()[-40:])
            parts.append(f"--- {path.name}\n{tail}")
        return "\n".join(parts)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        self.stop()
