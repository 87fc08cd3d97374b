"""A process that writes records, for tests that kill it: `python audit_writer.py KEYRING_JSON URL`."""

import asyncio
import json
import sys

from sympozium.bus.admin import Admin
from sympozium.bus.history import Stored
from sympozium.bus.keyring import Keyring
from sympozium.bus.subjects import RunRef


async def main() -> None:
    async def handled(_run: RunRef, _stored: Stored) -> None:
        """The status is another's concern."""

    admin = await Admin.open(sys.argv[2], Keyring.from_secret(json.loads(sys.argv[1])))
    await admin.consume(handled)


asyncio.run(main())
