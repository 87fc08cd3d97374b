"""/healthz, /livez, /readyz, /version, /metrics and the root."""

import platform
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from sympozium.localkube import negotiate
from sympozium.localkube.handlers import render
from sympozium.localkube.schema.builtin import RELEASE
from sympozium.localkube.wire import Answer, Request

MINOR = RELEASE.split(".")[1]
"""The release whose schemas and behaviour are served; kubectl warns when it is more than one off."""
PATHS = ("/healthz", "/livez", "/readyz")


@dataclass(slots=True)
class Counters:
    """Requests by verb and status, and what other parts count, for /metrics."""

    requests: dict[tuple[str, int], int] = field(default_factory=dict)
    others: list[tuple[str, tuple[str, str], Mapping[tuple[str, str], int]]] = field(default_factory=list)
    """Metric name, its two label names, and the live counts by label values."""

    def count(self, verb: str, status: int) -> None:
        key = (verb, status)
        self.requests[key] = self.requests.get(key, 0) + 1


def version(request: Request) -> Answer:
    return render.encode(
        {
            "major": "1",
            "minor": MINOR,
            "gitVersion": f"v1.{MINOR}.0+sympozium",
            "gitCommit": "",
            "gitTreeState": "clean",
            "buildDate": "1970-01-01T00:00:00Z",
            "goVersion": "",
            "compiler": f"{platform.python_implementation()} {platform.python_version()}",
            "platform": f"{sys.platform}/{platform.machine()}",
        },
        negotiate.choose(request.accept),
    )


def root(request: Request, groups: list[str]) -> Answer:
    """/: the paths that there are."""
    paths = [
        "/api",
        "/api/v1",
        "/apis",
        *(f"/apis/{group}" for group in groups),
        *PATHS,
        "/metrics",
        "/openapi/v2",
        "/openapi/v3",
    ]
    return render.encode({"paths": [*paths, "/version"]}, negotiate.choose(request.accept))


def health(request: Request, checks: dict[str, Callable[[], bool]]) -> Answer:
    """`ok`, or 500 with the checks that fail; `?verbose` lists all of them."""
    name = request.path.strip("/")
    excluded = {value for key, value in parse_qsl(request.query_string) if key == "exclude"}
    checks = {check: probe for check, probe in checks.items() if check not in excluded}
    results = {check: probe() for check, probe in checks.items()}
    good = all(results.values())
    lines = [
        f"[{'+' if passed else '-'}]{check} {'ok' if passed else 'failed'}"
        for check, passed in results.items()
    ]
    if good and "verbose" not in request.query:
        text = "ok"
    else:
        text = "\n".join([*lines, f"{name} check {'passed' if good else 'failed'}", ""])
    return Answer(status=200 if good else 500, body=text.encode(), content_type="text/plain; charset=utf-8")


def metrics(counters: Counters, *, revision: int, objects: dict[str, int], watchers: int) -> Answer:
    """Prometheus' text format."""
    lines = ["# TYPE localkube_requests_total counter"]
    lines += [
        f'localkube_requests_total{{verb="{verb}",code="{status}"}} {count}'
        for (verb, status), count in sorted(counters.requests.items())
    ]
    for name, labels, counts in counters.others:
        lines.append(f"# TYPE {name} counter")
        lines += [
            f'{name}{{{labels[0]}="{first}",{labels[1]}="{second}"}} {count}'
            for (first, second), count in sorted(counts.items())
        ]
    lines += ["# TYPE localkube_objects gauge"]
    lines += [
        f'localkube_objects{{resource="{bucket}"}} {count}' for bucket, count in sorted(objects.items())
    ]
    lines += ["# TYPE localkube_watchers gauge", f"localkube_watchers {watchers}"]
    lines += ["# TYPE localkube_revision gauge", f"localkube_revision {revision}", ""]
    return Answer(body="\n".join(lines).encode(), content_type="text/plain; version=0.0.4; charset=utf-8")
