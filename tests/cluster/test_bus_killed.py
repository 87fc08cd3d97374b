"""Controllers are killed while they change who may speak: what they leave is taken away by the next."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import nats.js.errors
import pytest

from cluster.bus_server import BusServer
from sympozium.bus import jwt, messages
from sympozium.bus.admin import Admin
from sympozium.bus.publisher import Publisher
from sympozium.bus.subjects import STREAM, RunRef

ONE = RunRef("team.a", "run.one", "uid-1")
KILLED = """
import asyncio, json, os, signal, sys
from sympozium.bus.accounts import Accounts
from sympozium.bus.admin import Admin
from sympozium.bus.keyring import Keyring
from sympozium.bus.subjects import RunRef

url, keyring = sys.argv[1], Keyring.from_secret(json.load(sys.stdin))

async def work(owner, step, order):
    admin = await Admin.open(url, keyring)
    done = getattr(owner, step)
    async def last(*arguments, **more):
        await done(*arguments, **more)
        os.kill(os.getpid(), signal.SIGKILL)
    setattr(owner, step, last)
    await getattr(admin, order)(RunRef("team.a", "run.one", "uid-1"))

for owner, step, order in (
    (Admin, "_tell", "issue"), (Accounts, "change", "issue"), (Admin, "_make_control_consumer", "issue"),
    (Accounts, "change", "revoke"), (Accounts, "change", "issue"),
):
    child = os.fork()
    if not child:
        asyncio.run(work(owner, step, order))
        os._exit(0)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1]), (step, order)
"""


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[BusServer]:
    server = BusServer(tmp_path)
    await server.start()
    yield server
    server.stop()


@pytest.fixture
async def admin(server: BusServer) -> AsyncIterator[Admin]:
    admin = await Admin.open(server.url, server.keyring)
    yield admin
    await admin.close()


async def test_controllers_killed_between_account_and_consumer_leave_no_key_behind(
    server: BusServer, admin: Admin
) -> None:
    """Each of five is killed one step later, and the next one finds what it has to take away on the record."""
    before = await _issuers(admin)
    subprocess.run(
        [sys.executable, "-c", KILLED, server.url], input=json.dumps(server.keyring.secret()), text=True, check=True, timeout=60,
    )  # fmt: skip
    assert len(await _issuers(admin) - before) == 1, "of the last one, who was killed before its consumer"
    agent = await Publisher.open((await admin.issue(ONE))["agent"])
    await agent.publish(messages.STEP_STARTED, {"step": 1, "text": "heard"})
    await agent.close()
    assert len(await _issuers(admin) - before) == 1
    assert [item.message.data["text"] for item in await admin.transcript(ONE)] == ["heard"]
    await admin.revoke(ONE)
    assert await _issuers(admin) == before
    with pytest.raises(nats.js.errors.NotFoundError):
        await admin._js.consumer_info(STREAM, ONE.consumer("tools"))


async def _issuers(admin: Admin) -> frozenset[str]:
    """Who may issue users, as the server knows."""
    known = await admin._accounts._known(1)
    assert known is not None
    return frozenset(jwt.signing_keys(known.token))
