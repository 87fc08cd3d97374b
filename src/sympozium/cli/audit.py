"""`sympozium audit`: the records of runs, as files, for people, and whether they hold.

`verify` needs nothing but the file.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from sympozium.actions import records
from sympozium.actions.bus import CONFIG_MAP
from sympozium.actions.errors import MissingError
from sympozium.actions.records import AmbiguousError, Record
from sympozium.api.meta import SYSTEM_NAMESPACE
from sympozium.bus.audit.file import RecordError, verify as verify_file
from sympozium.cli.audittext import words
from sympozium.cli.failures import EXIT_ERROR, CommandError
from sympozium.cli.output import plain, print_rows, print_value, say
from sympozium.cli.session import Session


async def show_list(session: Session, *, everywhere: bool, output: str | None = None) -> None:
    """The records that there are, also of runs that are gone."""
    found = await records.records(session.client, None if everywhere else session.namespace)
    if output:
        items = [
            {
                "namespace": one.namespace, "run": one.name, "uid": one.uid, "entries": one.entries,
                "last": {"kind": one.last.kind, "time": one.last.time} if one.last else None,
            }
            for one in sorted(found, key=lambda one: (one.namespace, one.last.time if one.last else "", one.name))
        ]  # fmt: skip
        print_value({"items": items}, output)
        return
    if not found:
        say("no records" if everywhere else f"no records in namespace {session.namespace} (-A shows all)")
        return
    lines = []
    for listed in found:
        last = (
            [listed.last.kind, listed.last.time] if listed.last else ["(not signed by this installation)", ""]
        )
        lines.append([listed.namespace, listed.name, listed.uid, str(listed.entries), *last])
    head = ["NAMESPACE", "RUN", "UID", "ENTRIES", "LAST", "TIME"]
    print_rows([head, *plain(sorted(lines, key=lambda line: (line[0], line[5], line[1])))])


async def export(session: Session, name: str, *, uid: str | None, output: Path | None) -> int:
    """Write a record as it is stored, one entry a line; 1 and the reason where it does not hold."""
    record = await _record(session, name, uid)
    _write(record.text, output)
    verified = record.verified()
    _compare(record)
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
    record = await _record(session, name, uid)
    verified = record.verified()
    run = verified.first.run
    say(plain(f"run {run.namespace}/{run.name} ({run.uid})"))
    lines = [["N", "TIME", "KIND", ""]]
    lines += [[str(e.n), e.time, e.kind, words(e.kind, e.data)] for e in record.entries()]
    print_rows(plain(lines))
    say(f"head {verified.last.hash}" + ("" if verified.ended else "; the run has not ended"))
    _compare(record)
    return 0


async def _record(session: Session, name: str, uid: str | None) -> Record:
    try:
        return await records.record(session.client, session.namespace, name, uid=uid)
    except MissingError as exc:
        raise MissingError(f"{exc}; `sympozium audit list -A` shows all") from None
    except AmbiguousError as exc:
        raise CommandError(
            f"{len(exc.uids)} runs had the name {name!r}; choose with --uid: {', '.join(exc.uids)}"
        ) from None


def _compare(record: Record) -> None:
    if not record.compare():
        print(
            f"agentrun {record.name} is gone: its status cannot be compared with this record", file=sys.stderr
        )


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
