"""`sympozium approvals`: what waits for a person, and the person's decision."""

import json
from datetime import UTC, datetime
from typing import Any, cast, get_args

from sympozium.actions import approvals
from sympozium.actions.approvals import Decision, Scope, decision_of
from sympozium.actions.errors import MissingError, UsageError
from sympozium.cli.output import check_format, paint, plain, print_objects, print_rows, say
from sympozium.cli.session import Session
from sympozium.kube.resources import Object
from sympozium.legible import legible
from sympozium.resources import APPROVALS


async def show_list(
    session: Session, *, everywhere: bool, all_of_them: bool, output: str | None = None
) -> None:
    check_format(output)
    found = await session.client.list(APPROVALS, None if everywhere else session.namespace)
    wanted = [a for a in found if all_of_them or not decision_of(a)]
    if output in ("json", "yaml", "name"):
        print_objects(wanted, output, many=True)
        return
    if not wanted:
        say("nothing waits for a decision" if not all_of_them else "no approval requests")
        return
    more = ["BECAUSE", "DIGEST"] if output == "wide" else []
    lines = [["NAMESPACE", "NAME", "RUN", "TOOL", "TARGET", "DECISION", "BY", "EXPIRES", *more]]
    for obj in sorted(plain(wanted), key=lambda a: str(a["spec"].get("requestedAt"))):
        spec, status, metadata = obj["spec"], obj.get("status") or {}, obj["metadata"]
        lines.append(
            [
                metadata["namespace"], metadata["name"], spec["runRef"], spec["tool"], spec.get("target") or "",
                decision_of(obj) or "(waiting)", status.get("decidedBy") or "",
                "" if decision_of(obj) else _left(spec.get("expiresAt")),
                *([" ".join(str(spec.get("reason") or "").split()), spec.get("argsDigest") or ""] if more else []),
            ]
        )  # fmt: skip
    print_rows(lines)


async def show(session: Session, name: str, *, output: str | None = None) -> None:
    check_format(output)
    obj = await _get(session, name)
    if output in ("json", "yaml", "name"):
        print_objects([obj], output, many=False)
        return
    for line in described(obj):
        say(line)
    if not decision_of(obj):
        say(f"decide:   sympozium approvals approve {name} -n {session.namespace}   (or deny)")


def described(obj: Object) -> list[str]:
    """What exactly is asked, in lines. Text of a model: nothing in it may act on the terminal."""
    obj = plain(obj)
    spec, status = obj["spec"], obj.get("status") or {}
    because = f", because {spec['reason']}" if spec.get("reason") else ""
    lines = [
        paint("1", f"{spec['tool']}" + (f" in {spec['target']}" if spec.get("target") else "")),
        f"run:      {spec['runRef']}",
        f"asked:    {spec.get('requestedAt')}{because}",
        f"expires:  {spec.get('expiresAt')} ({_left(spec.get('expiresAt'))})",
        "arguments:",
    ]
    args = spec.get("args")
    for key, value in args.items() if isinstance(args, dict) else [("", args)]:
        text = legible(value if isinstance(value, str) else json.dumps(value, indent=2))
        # Further in than the names: no line of a value can pass for another argument.
        inner = [f"  {line}" for line in text.splitlines()]
        lines += [f"  {line}" for line in ([f"{key}: {text}"] if "\n" not in text else [f"{key}:", *inner])]
    lines += [*_preview(spec.get("preview")), f"digest:   {spec.get('argsDigest')}"]
    if decision_of(obj):
        comment = f": {status['comment']}" if status.get("comment") else ""
        lines.append(
            f"decision: {decision_of(obj)} by {status.get('decidedBy')} at {status.get('decidedAt')}{comment}"
        )
    return lines


_PREVIEWS = {
    "diff": "what it would change",
    "dry-run": "what the Kubernetes API says it would change",
    "request": "the request as it would be sent",
    "command": "the command as it would run",
    "none": "what it would do",
}


def _preview(preview: dict[str, Any] | None) -> list[str]:
    if not preview:
        return [f"{_PREVIEWS['none']}: nothing is known"]
    lines = [f"{_PREVIEWS.get(preview['kind'], preview['kind'])}:"]
    changes = preview["kind"] in ("diff", "dry-run")
    for line in legible(preview.get("text") or "").splitlines():
        colour = {"+": "32", "-": "31", "@": "36"}.get(line[:1]) if changes else None
        lines.append("  " + (paint(colour, line) if colour else line))
    if preview.get("truncated"):
        lines.append("  " + paint("33", "[only the beginning is shown]"))
    if preview.get("problem"):
        lines.append(paint("33", f"note:     {legible(preview['problem'])}"))
    return lines


async def decide(
    session: Session,
    name: str,
    decision: Decision,
    *,
    comment: str | None,
    scope: str | None,
    output: str | None = None,
) -> None:
    """Raises UsageError for a scope that there is not, MissingError."""
    check_format(output)
    if scope not in get_args(Scope) and scope is not None:
        raise UsageError(f"--scope {scope}: choose once or run")
    try:
        decided = await approvals.decide(
            session.client,
            session.namespace,
            name,
            decision,
            comment=comment,
            scope=cast("Scope | None", scope),
        )
    except MissingError as exc:
        raise _with_cure(exc) from None
    if output in ("json", "yaml", "name"):
        print_objects([decided], output, many=False)
        return
    say(f"approvalrequest {name}: {decision} by {decided['status'].get('decidedBy')}")


async def _get(session: Session, name: str) -> Object:
    try:
        return await approvals.find(session.client, session.namespace, name)
    except MissingError as exc:
        raise _with_cure(exc) from None


def _with_cure(exc: MissingError) -> MissingError:
    return MissingError(f"{exc}; `sympozium approvals list -A` shows all that wait")


def _left(expires: str | None) -> str:
    if not expires:
        return ""
    seconds = int((datetime.fromisoformat(expires) - datetime.now(UTC)).total_seconds())
    return "expired" if seconds <= 0 else f"in {seconds // 60}m{seconds % 60:02d}s"
