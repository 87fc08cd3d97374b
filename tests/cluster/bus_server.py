"""A real nats-server in a directory of the test's own, which can be killed and started again."""

import asyncio
import contextlib
import subprocess
from pathlib import Path

from sympozium.bus.keyring import Keyring
from sympozium.bus.server import prepare
from sympozium.up.components import tool
from sympozium.up.ports import pick


class BusServer:
    """`url` and `keyring` are what the parts get."""

    def __init__(self, directory: Path, *, monitored: bool = False) -> None:
        """`monitored`: it tells its figures at `monitor` (https://docs.nats.io/running-a-nats-service/nats_admin/monitoring)."""
        self.keyring = Keyring.generate()
        self.port = pick()
        self.monitor = pick() if monitored else 0
        self.url = f"nats://127.0.0.1:{self.port}"
        self._log = directory / "nats.log"
        self._config = prepare(self.keyring, directory, self.port)
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [tool("nats-server"), "-c", str(self._config), *(["-m", str(self.monitor)] if self.monitor else [])],
                stdout=log, stderr=log,
            )  # fmt: skip
        async with asyncio.timeout(60):
            while True:
                assert self._process.poll() is None, self._log.read_text()
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    writer.close()
                    return
                await asyncio.sleep(0.02)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(60)
