"""Dashboards and alert rules of the chart name metrics that there are, with labels that they have."""

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
CHART = ROOT / "charts/sympozium"
DASHBOARDS = sorted((CHART / "dashboards").glob("*.json"))
RULES = sorted((CHART / "rules").glob("*.yaml"))
_NAME = re.compile(r"\b(sympozium_\w+?)(_bucket|_sum|_count)?\b(?:\{([^}]*)\})?")
_OF_SCRAPING = {"le", "job", "instance", "pod", "namespace", "component"}


def documented() -> dict[str, set[str]]:
    """Name -> labels, from the page that is generated from the registry."""
    rows = re.findall(
        r"^\| `(sympozium_\w+)` \| (\w+) \| ([^|]*) \|", (ROOT / "docs/metrics.md").read_text(), re.MULTILINE
    )
    return {name: {label.strip() for label in labels.split(",")} - {""} for name, _, labels in rows}


def histograms() -> set[str]:
    return set(
        re.findall(
            r"^\| `(sympozium_\w+)` \| histogram", (ROOT / "docs/metrics.md").read_text(), re.MULTILINE
        )
    )


def expressions(path: Path) -> list[str]:
    if path.suffix == ".json":
        return [
            target["expr"] for panel in json.loads(path.read_text())["panels"] for target in panel["targets"]
        ]
    return [rule["expr"] for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]


def wrong(expression: str) -> list[str]:
    """What in an expression is of no metric of ours."""
    known, found = documented(), []
    labels: set[str] = set(_OF_SCRAPING)
    for name, part, selector in _NAME.findall(expression):
        if name not in known or bool(part) != (name in histograms()):
            found.append(name + part)
            continue
        labels |= known[name]
        found += [
            f"{name}: {label}" for label in re.findall(r"(\w+)\s*[=!]", selector) if label not in labels
        ]
    for group in re.findall(r"\bby \(([^)]*)\)", expression):
        found += [f"by {label.strip()}" for label in group.split(",") if label.strip() not in labels]
    return found


@pytest.mark.parametrize("path", [*DASHBOARDS, *RULES], ids=lambda p: p.name)
def test_every_metric_that_is_named_is_there(path: Path) -> None:
    found = expressions(path)
    assert found
    assert {text: wrong(text) for text in found if wrong(text)} == {}


def test_a_name_or_a_label_that_is_not_there_is_found() -> None:
    assert wrong("rate(sympozium_nothing_total[5m])") == ["sympozium_nothing_total"]
    assert wrong("sympozium_run_queue_seconds") == ["sympozium_run_queue_seconds"], "a histogram has parts"
    assert wrong('sympozium_runs{color="red"}') == ["sympozium_runs: color"]
    assert wrong("sum by (color) (sympozium_runs)") == ["by color"]


def test_every_metric_is_shown_or_alerted_on() -> None:
    """One that nobody looks at is one that nobody needs, or one that a dashboard lacks."""
    text = " ".join(expression for path in (*DASHBOARDS, *RULES) for expression in expressions(path))
    named = {name for name, _, _ in _NAME.findall(text)}
    assert sorted(documented().keys() - named) == NOT_SHOWN


NOT_SHOWN = [
    "sympozium_api_open_streams",
    "sympozium_audit_entries_total",
    "sympozium_audit_late_total",
    "sympozium_build_info",
    "sympozium_events_total",
    "sympozium_run_orders_total",
]


def test_dashboards_have_a_data_source_of_ones_choice_and_no_two_the_same() -> None:
    boards: list[dict[str, Any]] = [json.loads(path.read_text()) for path in DASHBOARDS]
    assert len({board["uid"] for board in boards}) == len(boards) == 2
    for board in boards:
        assert [v["name"] for v in board["templating"]["list"]] == ["datasource"]
        assert {panel["datasource"]["uid"] for panel in board["panels"]} == {"${datasource}"}
        assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_every_alert_says_what_it_means_and_what_to_do() -> None:
    alerts = [r for path in RULES for g in yaml.safe_load(path.read_text())["groups"] for r in g["rules"]]
    assert len({rule["alert"] for rule in alerts}) == len(alerts)
    for rule in alerts:
        assert rule["labels"]["severity"] in ("critical", "warning", "info"), rule["alert"]
        assert len(rule["annotations"]["summary"]) > 30, rule["alert"]
        assert len(rule["annotations"]["runbook"]) > 60, rule["alert"]


def test_the_list_of_metrics_is_what_the_processes_register() -> None:
    spec = importlib.util.spec_from_file_location("metrics_page", ROOT / "scripts/metrics.py")
    assert spec
    assert spec.loader
    page = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(page)
    assert page.markdown() == page.PAGE.read_text()
    for metric in page.metrics():
        assert metric.type != "counter" or metric.name.endswith("_total")
        assert metric.type != "histogram" or metric.name.endswith("_seconds")
        assert metric.description.endswith(".")
