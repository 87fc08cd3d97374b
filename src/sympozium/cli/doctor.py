"""`sympozium doctor`: what an installation needs, looked at one by one, with the cure for what is not well."""

from sympozium.actions.doctor import examine
from sympozium.cli.output import paint, say
from sympozium.cli.session import Session


async def doctor(session: Session) -> int:
    """Print a line for each check; returns 1 when one of them failed."""
    failed = 0
    async for name, found in examine(session.client, session.namespace):
        failed += found.well is False
        word = {True: paint("32", "ok  "), False: paint("31", "FAIL"), None: paint("33", "?   ")}[found.well]
        say(f"{word}  {name}: {found.what}")
        if found.cure and not found.well:
            say(f"      {found.cure}")
    return 1 if failed else 0
