"""`sympozium install|upgrade|uninstall|manifests`: the chart, driven by Helm's own engine.

The engine is the wheel `helm-python-sdk` of the extra `cluster`; the chart is in our wheel. So there is one description of
an installation, and `helm list`, `helm upgrade` and `helm rollback` see what was installed here
(docs/decisions/0013-the-chart.md).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import sympozium
from sympozium import yamlio
from sympozium.cli.failures import EXIT_USAGE, CommandError, one_line

RELEASE: Final = "sympozium"
WAIT: Final = "legacy"
"""Helm's wait that looks at readiness itself; the other one needs rights to watch everything."""
Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Given:
    """Values as helm takes them: files first, then each kind of expression, in the order of helm."""

    files: Sequence[str] = ()
    sets: Sequence[str] = ()
    strings: Sequence[str] = ()
    jsons: Sequence[str] = ()
    contents: Sequence[str] = ()

    @property
    def any(self) -> bool:
        return any((self.files, self.sets, self.strings, self.jsons, self.contents))


def chart() -> Path:
    """The chart of this version: inside the wheel, or beside the source."""
    package = Path(sympozium.__file__).parent
    for place in (package / "chart", package.parent.parent / "charts/sympozium"):
        if (place / "Chart.yaml").exists():
            return place
    raise CommandError(
        f"the chart is not beside {package}: install the wheel of sympozium, or use its source"
    )


def engine() -> ModuleType:
    """Raises CommandError where the extra is not installed."""
    try:
        import helm_python
    except ImportError as exc:
        raise CommandError(
            "Helm's engine is not installed: pip install 'sympozium[cluster]', or use helm itself with the chart"
        ) from exc
    return helm_python


def values(given: Given) -> Values:
    """Merged as helm merges. Raises CommandError that names the file or the expression."""
    merged: Values = {}
    for file in given.files:
        merged = merge(merged, _read(file))
    helm = engine()
    kinds = (
        ("--set-json", given.jsons, helm.parse_set_json),
        ("--set", given.sets, helm.parse_set_string),
        ("--set-string", given.strings, helm.parse_set_string_values),
        ("--set-file", given.contents, helm.parse_set_file),
    )
    for option, expressions, parse in kinds:
        for expression in expressions:
            try:
                merged = merge(merged, parse(expression))
            except helm.HelmError as exc:
                raise CommandError(f"{option} {expression}: {one_line(str(exc))}", EXIT_USAGE) from exc
    return merged


def _read(file: str) -> Values:
    try:
        documents = yamlio.load_all(Path(file).read_text(), file)
    except (OSError, UnicodeDecodeError, yamlio.YamlError) as exc:
        raise CommandError(one_line(str(exc)), EXIT_USAGE) from exc
    if len(documents) > 1 or not all(isinstance(d, dict) or d is None for d in documents):
        raise CommandError(f"{file}: values are one mapping", EXIT_USAGE)
    return (documents[0] or {}) if documents else {}


def merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> Values:
    """Mappings are merged, everything else is replaced."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


@contextmanager
def connected(namespace: str) -> Iterator[Any]:
    """A `helm_python.Config`; refusals become CommandErrors."""
    helm = engine()
    try:
        with helm.Config(namespace=namespace) as config:
            yield config
    except helm.HelmError as exc:
        raise CommandError(one_line(str(exc)) + _cure(str(exc))) from exc


def _cure(problem: str) -> str:
    if "invalid ownership metadata" not in problem:
        return ""
    return (
        ". A cluster has one installation; where that was uninstalled and its kinds were kept, install under the same name "
        "in the same namespace, or let them change hands: helm install --take-ownership (docs/install.md)"
    )


def manifests(name: str, namespace: str, wanted: Values) -> str:
    """All objects in the order in which they are applied, without hooks; no cluster is asked."""
    wanted = merge({"namespace": {"create": True}}, wanted)
    with connected(namespace) as config:
        release = config.install(str(chart()), name, wanted, namespace=namespace, dry_run="client")
    return str(release["manifest"]).strip() + "\n"


def install(name: str, namespace: str, wanted: Values, *, wait: bool, seconds: int) -> str:
    """Returns the notes."""
    with connected(namespace) as config:
        if any(release["name"] == name for release in config.list(all_states=True)):
            raise CommandError(f"release {name} is in {namespace} already: sympozium upgrade")
        release = config.install(
            str(chart()), name, wanted, namespace=namespace, create_namespace=True,
            wait=WAIT if wait else None, timeout=seconds,
        )  # fmt: skip
    return str(release["notes"])


def upgrade(
    name: str, namespace: str, wanted: Values, *, wait: bool, seconds: int, reuse: bool, rollback: bool
) -> str:
    """Returns the notes. `reuse` puts the values on top of the last release's; without any, those are kept."""
    with connected(namespace) as config:
        release = config.upgrade(
            str(chart()), name, wanted, namespace=namespace, reuse_values=reuse or not wanted,
            rollback_on_failure=rollback, wait=WAIT if wait else None, timeout=seconds,
        )  # fmt: skip
    return str(release["notes"])


def require(name: str, namespace: str) -> None:
    """Raises CommandError where there is no such release."""
    with connected(namespace) as config:
        found = [release["name"] for release in config.list(all_states=True)]
    if name not in found:
        there = f"; there is {', '.join(found)}" if found else ""
        raise CommandError(f"there is no release {name} in namespace {namespace}{there}: nothing was touched")


def uninstall(name: str, namespace: str, *, seconds: int) -> str:
    """Returns what helm says, such as what it kept."""
    with connected(namespace) as config:
        try:
            answer = config.uninstall(name, timeout=seconds, wait=WAIT)
        except engine().HelmError as exc:
            if "timed out" not in str(exc):
                raise
            # A cluster whose pods do not start is where people uninstall, too.
            raise CommandError(
                f"{one_line(str(exc))}: Job sympozium-teardown or what Helm deleted did not end within {seconds} s "
                f"(kubectl -n {namespace} describe job sympozium-teardown). What the Job does is done already, so this "
                f"goes on without it: helm uninstall {name} -n {namespace} --no-hooks"
            ) from exc
    return str(answer.get("info") or "").strip()


def as_json(value: Any) -> str:
    return json.dumps(value, indent=2)
