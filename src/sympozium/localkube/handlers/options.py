"""Query parameters, parsed and refused with the API server's words."""

import re
from dataclasses import dataclass

import orjson

from sympozium.localkube.errors import bad_request, invalid_options
from sympozium.localkube.resources import Resource
from sympozium.localkube.routes import Target
from sympozium.localkube.selectors import FieldSelector, LabelSelector, parse_fields, parse_labels
from sympozium.localkube.types import Cause, Object
from sympozium.localkube.wire import Request

VALIDATIONS = ("Ignore", "Warn", "Strict")


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteOptions:
    """CreateOptions, UpdateOptions or PatchOptions. `manager` owns what the write changes."""

    kind: str
    dry_run: bool
    manager: str
    validation: str
    force: bool = False

    def as_object(self) -> Object:
        """As admission webhooks get it."""
        out: Object = {"kind": self.kind, "apiVersion": "meta.k8s.io/v1"}
        if self.dry_run:
            out["dryRun"] = ["All"]
        out["fieldManager"] = self.manager
        out["fieldValidation"] = self.validation
        if self.force:
            out["force"] = True
        return out


def write_options(request: Request, kind: str, *, apply: bool = False) -> WriteOptions:
    """`kind` is CreateOptions, UpdateOptions or PatchOptions. Raises ApiError 422."""
    query = request.query
    causes = dry_run_causes(query.get("dryRun", ""))
    manager = query.get("fieldManager", "")
    if len(manager) > 128:
        causes.append(Cause("fieldManager", "FieldValueTooLong", "Too long: may not be more than 128 bytes"))
    for at, char in enumerate(manager):
        if not char.isprintable():
            why = f"invalid character U+{ord(char):04X} (at position {at})"
            causes.append(
                Cause(
                    "fieldManager",
                    "FieldValueInvalid",
                    f"Invalid value: {orjson.dumps(manager).decode()}: {why}",
                )
            )
    validation = query.get("fieldValidation") or "Warn"
    if validation not in VALIDATIONS:
        supported = ", ".join(f'"{word}"' for word in sorted(("", *VALIDATIONS)))
        causes.append(
            Cause(
                "fieldValidation",
                "FieldValueNotSupported",
                f'Unsupported value: "{validation}": supported values: {supported}',
            )
        )
    if apply and not manager:
        causes.append(
            Cause("fieldManager", "FieldValueRequired", "Required value: is required for apply patch")
        )
    if request.flag("force") and not apply:
        causes.append(
            Cause("force", "FieldValueForbidden", "Forbidden: may not be specified for non-apply patch")
        )
    if causes:
        raise invalid_options(kind, causes)
    return WriteOptions(
        kind=kind,
        dry_run=bool(query.get("dryRun")),
        manager=manager or request.headers.get("user-agent", "").partition("/")[0] or "unknown",
        validation=validation,
        force=request.flag("force"),
    )


def dry_run_causes(value: str) -> list[Cause]:
    if value in {"", "All"}:
        return []
    return [
        Cause("dryRun", "FieldValueNotSupported", f'Unsupported value: ["{value}"]: supported values: "All"')
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOptions:
    """`revision` None stands for an absent resourceVersion."""

    labels: LabelSelector
    fields: FieldSelector
    limit: int
    continue_: str
    revision: int | None
    match: str
    bookmarks: bool
    initial_events: bool | None
    timeout: int | None

    @property
    def selective(self) -> bool:
        return bool(self.labels) or bool(self.fields)

    def matches(self, obj: Object) -> bool:
        return self.labels.matches(obj) and self.fields.matches(obj)


def list_options(request: Request, resource: Resource, *, watch: bool) -> ListOptions:
    """Raises ApiError 400 for selectors and numbers, 422 for combinations that do not exist."""
    query = request.query
    initial: bool | None = request.flag("sendInitialEvents") if query.get("sendInitialEvents") else None
    options = ListOptions(
        labels=parse_labels(query.get("labelSelector", "")),
        fields=parse_fields(query.get("fieldSelector", ""), resource),
        limit=_number(query.get("limit", "")) or 0,
        continue_=query.get("continue", ""),
        revision=revision(query.get("resourceVersion", "")),
        match=query.get("resourceVersionMatch", ""),
        bookmarks=request.flag("allowWatchBookmarks"),
        initial_events=initial,
        timeout=_number(query.get("timeoutSeconds", "")),
    )
    causes = _watch_causes(options) if watch else _list_causes(options)
    if causes:
        raise invalid_options("ListOptions", causes)
    if options.continue_ and options.revision not in {None, 0}:
        raise bad_request("specifying resource version is not allowed when using continue")
    return options


def revision(text: str) -> int | None:
    """A resourceVersion; None when absent. Raises ApiError 400."""
    if text == "":
        return None
    number = whole_number(text)
    if number is None or number < 0:
        raise bad_request(
            f'invalid resource version: resourceVersion: Invalid value: "{text}": '
            f'strconv.ParseUint: parsing "{text}": invalid syntax'
        )
    return number


def whole_number(text: str) -> int | None:
    """A 64-bit integer written in ASCII digits; None for anything else that int() may take or choke on."""
    digits = text.removeprefix("-")
    if not digits.isascii() or not digits.isdigit() or len(digits) > MAX_DIGITS:
        return None
    number = int(text)
    return number if -(2**63) <= number < 2**63 else None


MAX_DIGITS = 30


def _number(text: str) -> int | None:
    if text == "":
        return None
    number = whole_number(text)
    if number is None:
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return number


def _list_causes(options: ListOptions) -> list[Cause]:
    causes: list[Cause] = []
    match = options.match
    if match and options.revision is None:
        causes.append(
            _forbidden(
                "resourceVersionMatch", "resourceVersionMatch is forbidden unless resourceVersion is provided"
            )
        )
    if match and options.continue_:
        causes.append(
            _forbidden("resourceVersionMatch", "resourceVersionMatch is forbidden when continue is provided")
        )
    if match not in {"", "Exact", "NotOlderThan"}:
        causes.append(_unsupported(match, '"Exact", "NotOlderThan", ""'))
    if match == "Exact" and options.revision == 0:
        causes.append(
            _forbidden(
                "resourceVersionMatch", 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
            )
        )
    if options.initial_events is not None:
        causes.append(_forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"))
    return causes


def _watch_causes(options: ListOptions) -> list[Cause]:
    causes: list[Cause] = []
    match = options.match
    if options.initial_events is not None and match != "NotOlderThan":
        why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        causes.append(_forbidden("resourceVersionMatch", why))
    if match and options.initial_events is None:
        why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        causes.append(_forbidden("resourceVersionMatch", why))
    if match not in {"", "NotOlderThan"}:
        causes.append(_unsupported(match, '"NotOlderThan"'))
    if options.continue_:
        why = "resourceVersionMatch is forbidden when continue is provided"
        causes.append(_forbidden("resourceVersionMatch", why))
    return causes


_DURATION = re.compile(r"[-+]?(?:0|(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)")


def check_timeout(request: Request, target: Target | None) -> None:
    """`timeout`, Go's duration of a whole request; a watch has its own. Raises ApiError 400.

    Requests here take milliseconds, so none is cut off by it; what is no duration is refused all the same.
    """
    text = request.query.get("timeout", "")
    if not text or _DURATION.fullmatch(text) or (target is not None and target.verb == "watch"):
        return
    what = "missing unit in duration" if re.fullmatch(r"[-+]?[\d.]*\d[\d.]*", text) else "invalid duration"
    raise bad_request(f'invalid timeout specified in the request URL - time: {what} "{text}"')


def _forbidden(field: str, text: str) -> Cause:
    return Cause(field, "FieldValueForbidden", f"Forbidden: {text}")


def _unsupported(match: str, supported: str) -> Cause:
    return Cause(
        "resourceVersionMatch",
        "FieldValueNotSupported",
        f'Unsupported value: "{match}": supported values: {supported}',
    )
