"""Several real nats-servers that are one bus, with the configuration that a cluster's controller writes for its pods."""

import asyncio
import contextlib
import subprocess
from pathlib import Path

from sympozium.bus.keyring import Keyring
from sympozium.bus.server import Member, clustered
from sympozium.up.components import tool
from sympozium.up.ports import pick

STORAGE = 256 * 1024**2


class BusCluster:
    """`url` names all servers, as a Service leads to any of them. A server is known by its number."""

    def __init__(self, directory: Path, servers: int, keyring: Keyring | None = None) -> None:
        self.directory = directory
        self.keyring = keyring or Keyring.generate()
        self.members: list[Member] = []
        for number in range(servers):
            ports = [pick() for _ in range(3)]
            place = directory / f"nats-{number}"
            place.mkdir()
            self.members.append(Member(f"nats-{number}", "127.0.0.1", *ports, str(place)))
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    @property
    def url(self) -> str:
        return ",".join(self.url_of(number) for number in range(len(self.members)))

    def url_of(self, number: int) -> str:
        return f"nats://127.0.0.1:{self.members[number].clients}"

    def log(self, number: int) -> Path:
        return self.directory / f"nats-{number}.log"

    def _write(self, number: int, *, alone: bool) -> Path:
        member = self.members[number]
        peers = [] if alone else [f"127.0.0.1:{m.routes}" for m in self.members]
        path = self.directory / f"nats-{number}.conf"
        path.write_text(clustered(self.keyring, member, peers, STORAGE))
        return path

    def start(self, number: int, *, alone: bool = False) -> None:
        """`alone`: with the configuration of an installation that has one server."""
        with self.log(number).open("ab") as log:
            command = [tool("nats-server"), "-c", str(self._write(number, alone=alone))]
            self._processes[number] = subprocess.Popen(command, stdout=log, stderr=log)

    async def start_all(self) -> None:
        for number in range(len(self.members)):
            self.start(number)
        for number in range(len(self.members)):
            await self.reachable(number)

    async def reachable(self, number: int) -> None:
        async with asyncio.timeout(60):
            while True:
                assert self._processes[number].poll() is None, self.log(number).read_text()
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", self.members[number].clients)
                    writer.close()
                    return
                await asyncio.sleep(0.02)

    def kill(self, number: int) -> None:
        process = self._processes.pop(number)
        process.kill()
        process.wait()

    def close(self) -> None:
        for number in list(self._processes):
            self.kill(number)
