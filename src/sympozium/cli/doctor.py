"""`sympozium doctor`: what an installation needs, looked at one by one, with the cure for what is not well."""

from sympozium.actions.doctor import examine
from sympozium.cli.output import paint, plain, print_value, say
from sympozium.cli.progress import working
from sympozium.cli.session import Session


async def doctor(session: Session, *, output: str | None = None) -> int:
    """Print a line for each check; returns 1 when one of them failed."""
    failed = 0
    checks = []
    findings = aiter(examine(session.client, session.namespace))
    while True:
        with working("looking"):
            try:
                name, found = await anext(findings)
            except StopAsyncIteration:
                break
        failed += found.well is False
        if output:
            level = {True: "ok", False: "failed", None: "unknown"}[found.well]
            checks.append(
                {"name": name, "ok": found.well, "level": level, "detail": found.what, "cure": found.cure}
            )
            continue
        word = {True: paint("32", "ok  "), False: paint("31", "FAIL"), None: paint("33", "?   ")}[found.well]
        say(f"{word}  {name}: {plain(found.what)}")
        if found.cure and not found.well:
            say(f"      {plain(found.cure)}")
    if output:
        print_value({"checks": checks}, output)
    return 1 if failed else 0
