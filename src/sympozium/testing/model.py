"""The model's words, by script: the rehearsal model as a process of the test's own."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2
import yaml

from sympozium.testing.waiting import until
from sympozium.up.ports import pick, release


class ScriptedModel:
    """An OpenAI-compatible endpoint that follows a script (`docs/rehearsal.md`).

    Use as a context manager; `base_url` is what a Secret or `baseURL` gets. `pace` is the seconds between the pieces of an
    answer, for tests that watch it being written.
    """

    def __init__(
        self, script: dict[str, Any] | str | None = None, *, api_key: str | None = None, pace: float = 0.0
    ) -> None:
        self.port = pick()
        self.base_url = f"http://127.0.0.1:{self.port}/v1"
        self._directory = tempfile.TemporaryDirectory()
        argv = [sys.executable, "-m", "sympozium.rehearsal", "--port", str(self.port)]
        if script is not None:
            path = Path(self._directory.name, "script.yaml")
            path.write_text(script if isinstance(script, str) else yaml.safe_dump(script))
            argv += ["--script", str(path)]
        if api_key is not None:
            argv += ["--api-key", api_key]
        if pace:
            argv += ["--pace", str(pace)]
        self.log = Path(self._directory.name, "model.log")
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(argv, stdout=log, stderr=log, env={**os.environ})
        headers = {"Authorization": f"Bearer {api_key or 'any'}"}
        until(lambda: self._answers(headers), f"rehearsal model on port {self.port}: {self.log}")

    def _answers(self, headers: dict[str, str]) -> bool:
        if self._process.poll() is not None:
            raise AssertionError(f"the rehearsal model ended: {self.log.read_text()}")
        try:
            return httpx2.get(f"{self.base_url}/models", headers=headers, trust_env=False).status_code == 200
        except httpx2.TransportError:
            return False

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(10)
        release(self.port)
        self._directory.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
