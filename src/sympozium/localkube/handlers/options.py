"""Query parameters, parsed and refused with the API server's words."""

from dataclasses import dataclass

from sympozium.localkube.errors import bad_request, invalid_options
from sympozium.localkube.resources import Resource
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
    if any(not char.isprintable() for char in manager):
        causes.append(
            Cause(
                "fieldManager", "FieldValueInvalid", "Invalid value: should only contain printable characters"
            )
        )
    validation = query.get("fieldValidation") or "Warn"
    if validation not in VALIDATIONS:
        supported = ", ".join(f'"{word}"' for word in VALIDATIONS)
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
        Cause("dryRun", "FieldValueNotSupported", f'Unsupported value: "{value}": supported values: "All"')
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
        limit=_number(query.get("limit", ""), "limit") or 0,
        continue_=query.get("continue", ""),
        revision=revision(query.get("resourceVersion", "")),
        match=query.get("resourceVersionMatch", ""),
        bookmarks=request.flag("allowWatchBookmarks"),
        initial_events=initial,
        timeout=_number(query.get("timeoutSeconds", ""), "timeoutSeconds"),
    )
    causes = _watch_causes(options) if watch else _list_causes(options)
    if causes:
        raise invalid_options("ListOptions", causes)
    return options


def revision(text: str) -> int | None:
    """A resourceVersion; None when absent. Raises ApiError 400."""
    if text == "":
        return None
    number = whole_number(text)
    if number is None or number < 0:
        raise bad_request(
            f'Invalid value: "{text}": resourceVersion must be a number that this server gave out'
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


def _number(text: str, name: str) -> int | None:
    if text == "":
        return None
    number = whole_number(text)
    if number is None:
        raise bad_request(f'{name}: Invalid value: "{text}": must be an integer')
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
    if options.continue_ and options.revision not in {None, 0}:
        causes.append(
            _forbidden("resourceVersion", "specifying resource version is not allowed when using continue")
        )
    return causes


def _watch_causes(options: ListOptions) -> list[Cause]:
    if options.initial_events is None:
        if options.match:
            return [
                _forbidden(
                    "resourceVersionMatch",
                    "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
                )
            ]
        return []
    if not options.match:
        return [
            _forbidden(
                "resourceVersionMatch",
                "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
            )
        ]
    if options.match != "NotOlderThan":
        return [_unsupported(options.match, '"NotOlderThan"')]
    return []


def _forbidden(field: str, text: str) -> Cause:
    return Cause(field, "FieldValueForbidden", f"Forbidden: {text}")


def _unsupported(match: str, supported: str) -> Cause:
    return Cause(
        "resourceVersionMatch",
        "FieldValueNotSupported",
        f'Unsupported value: "{match}": supported values: {supported}',
    )
