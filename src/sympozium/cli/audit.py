"""`sympozium audit`: the records of runs, as files, for people, and whether they hold.

Read from the bus with the reader's credentials, as transcripts are; a record is there after its AgentRun is gone.
`verify` needs nothing but the file.
"""

import asyncio
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from sympozium.actions.bus import CONFIG_MAP, Records, open_records
from sympozium.api.meta import SYSTEM_NAMESPACE
from sympozium.bus import messages
from sympozium.bus.audit.entry import Entry, EntryError, read
from sympozium.bus.audit.file import RecordError, Verified, verify as verify_file
from sympozium.bus.audit.store import Line
from sympozium.bus.subjects import AUDIT_ROOT, token
from sympozium.cli.audittext import words
from sympozium.cli.failures import EXIT_ERROR, CommandError
from sympozium.cli.output import plain, print_rows, say
from sympozium.cli.session import Session
from sympozium.kube import NotFoundError
from sympozium.resources import RUNS

_AT_ONCE = 32


def _entry(records: Records, line: Line) -> Entry | None:
    """None where it is not believed."""
    try:
        return read(line.data, messages.public_key(records.key))
    except EntryError:
        return None


async def show_list(session: Session, *, everywhere: bool) -> None:
    """The records that there are, also of runs that are gone."""
    async with open_records(session.client) as records:
        space = "*" if everywhere else token(session.namespace)
        found = await records.store.subjects(f"{AUDIT_ROOT}.{space}.*.*")
        limit = asyncio.Semaphore(_AT_ONCE)

        async def row(subject: str, entries: int) -> list[str]:
            async with limit:
                last = await records.store.last(subject)
            entry = _entry(records, last) if last else None
            namespace, name, uid = (part.replace("_", ".") for part in subject.split(".")[2:])
            if entry is None:
                return [namespace, name, uid, str(entries), "(not signed by this installation)", ""]
            return [namespace, name, uid, str(entries), entry.kind, entry.time]

        lines = await asyncio.gather(*(row(*item) for item in found.items()))
    if not lines:
        say("no records" if everywhere else f"no records in namespace {session.namespace} (-A shows all)")
        return
    head = ["NAMESPACE", "RUN", "UID", "ENTRIES", "LAST", "TIME"]
    print_rows([head, *plain(sorted(lines, key=lambda line: (line[0], line[5], line[1])))])


async def export(session: Session, name: str, *, uid: str | None, output: Path | None) -> int:
    """Write a record as it is stored, one entry a line; 1 and the reason where it does not hold."""
    async with open_records(session.client) as records:
        subject = await _subject(session, records, name, uid)
        text = await _text(records, subject)
    _write(text, output)
    verified = _believed(text, records.key, name)
    await _check_anchor(session, name, subject, text)
    where = f"to {output}" if output else "to standard output"
    state = "" if verified.ended else "; the run has not ended"
    print(f"{verified.entries} entries {where}, head {verified.last.hash}{state}", file=sys.stderr)
    return 0


def _write(text: bytes, output: Path | None) -> None:
    if output is None:
        sys.stdout.buffer.write(text)
        sys.stdout.buffer.flush()
        return
    try:
        output.write_bytes(text)
    except OSError as exc:
        raise CommandError(f"{output} cannot be written: {exc.strerror}") from exc


async def show(session: Session, name: str, *, uid: str | None) -> int:
    """A record for people, after it was verified."""
    async with open_records(session.client) as records:
        subject = await _subject(session, records, name, uid)
        text = await _text(records, subject)
    verified = _believed(text, records.key, name)
    run = verified.first.run
    say(plain(f"run {run.namespace}/{run.name} ({run.uid})"))
    key = messages.public_key(records.key)
    lines = [["N", "TIME", "KIND", ""]]
    for line in text.splitlines():
        entry = read(line, key)
        lines.append([str(entry.n), entry.time, entry.kind, words(entry.kind, entry.data)])
    print_rows(plain(lines))
    say(f"head {verified.last.hash}" + ("" if verified.ended else "; the run has not ended"))
    await _check_anchor(session, name, subject, text)
    return 0


def verify(files: Sequence[str], *, key: str | None, head: str | None, is_open: bool) -> int:
    """Whether exported records hold; 1 where one does not, with its file and line."""
    if head is not None and len(files) != 1:
        raise CommandError("--head is the end of one record: give one file", 2)
    code = 0
    for name in files:
        try:
            with _opened(name) as stream:
                found = verify_file(stream, key=key, head=head, is_open=is_open)
        except RecordError as exc:
            place = f"{name}:{exc.line}" if exc.line else name
            print(f"{plain(place)}: {plain(str(exc))}", file=sys.stderr)
            code = EXIT_ERROR
            continue
        except OSError as exc:
            print(f"{plain(name)}: cannot be read: {exc.strerror}", file=sys.stderr)
            code = EXIT_ERROR
            continue
        run = found.first.run
        say(
            plain(
                f"{name}: holds: {found.entries} entries of run {run.namespace}/{run.name} ({run.uid}), head {found.last.hash}"
            )
        )
        if key is None:
            # Not an error: somebody may have the file alone. What it proves is less, and is said.
            say(
                f"  signed by {found.key}, the key that the file itself names; without --key it is not known whose that is."
            )
            say(
                f"  The installation's: kubectl get configmap {CONFIG_MAP} -n {SYSTEM_NAMESPACE} -o jsonpath={{.data.recordKey}}"
            )
    return code


def _opened(name: str) -> BinaryIO:
    return sys.stdin.buffer if name == "-" else Path(name).open("rb")


async def _subject(session: Session, records: Records, name: str, uid: str | None) -> str:
    """Of the record that is meant. A name may have had several runs, one after another."""
    root = f"{AUDIT_ROOT}.{token(session.namespace)}.{token(name)}"
    found = await records.store.subjects(f"{root}.*")
    uids = [subject.rpartition(".")[2] for subject in found]
    if not uids:
        raise CommandError(
            f"no record of agentrun {name!r} in namespace {session.namespace}; `sympozium audit list -A` shows all"
        )
    if uid is None and len(uids) > 1 and (run := await _run(session, name)):
        uid = run["metadata"]["uid"]
    if uid is None and len(uids) > 1:
        raise CommandError(
            f"{len(uids)} runs had the name {name!r}; choose with --uid: {', '.join(sorted(uids))}"
        )
    if uid is not None and uid not in uids:
        raise CommandError(
            f"no record of agentrun {name!r} with uid {uid}; there are: {', '.join(sorted(uids))}"
        )
    return f"{root}.{uid or uids[0]}"


async def _run(session: Session, name: str) -> dict[str, Any] | None:
    try:
        return await session.client.get(RUNS, name, session.namespace)
    except NotFoundError:
        return None


async def _text(records: Records, subject: str) -> bytes:
    return b"".join([line.data + b"\n" async for line in records.store.lines(subject)])


def _believed(text: bytes, key: str, name: str) -> Verified:
    try:
        return verify_file(io.BytesIO(text), key=key, is_open=True)
    except RecordError as exc:
        raise CommandError(f"the record of agentrun {name!r} does not hold: entry {exc.line}: {exc}") from exc


async def _check_anchor(session: Session, name: str, subject: str, text: bytes) -> None:
    """What the API says of the record, where the run is still there. Raises CommandError where they disagree."""
    run = await _run(session, name)
    if run is None or run["metadata"]["uid"] != subject.rpartition(".")[2]:
        print(f"agentrun {name} is gone: its status cannot be compared with this record", file=sys.stderr)
        return
    anchor = (run.get("status") or {}).get("audit")
    lines = text.splitlines()
    if anchor and (
        len(lines) < anchor["entries"]
        or f'"hash":"{anchor["hash"]}"'.encode() not in lines[anchor["entries"] - 1]
    ):
        raise CommandError(
            f"the record has not entry {anchor['entries']} with {anchor['hash']}, which status.audit of agentrun {name} names:"
            " one of both was changed"
        )
