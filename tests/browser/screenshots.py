"""Pictures of every page of the dashboard, light and dark, in docs/images (`make screenshots`).

They are taken of a control plane that works: a pack is enabled, a workload is broken, an agent finds it; one run is approved,
one waits. Look at them after a change of the dashboard, then commit them.
"""

import os
import random
import re
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, expect

from browser.harness import DESKTOP, PHONE, Person, admin_token, chromium, sign_in_link, url_of
from sympozium.cli.demo.workloads import draw, symptom
from sympozium.testing import AGENT_RUN, APPROVAL_REQUEST, SCHEDULE, Cluster, phase
from sympozium.testing.resources import POD

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "docs/images"
SCHEDULE_NAME = "platform-team-sre-agent-schedule"
PAGES = {
    "overview": "/",
    "runs": "/runs",
    "run": "/runs/default/{done}",
    "run-approval": "/runs/default/{waiting}",
    "run-timing": "/runs/default/{done}?tab=timing",
    "run-decisions": "/runs/default/{done}?tab=decisions",
    "run-yaml": "/runs/default/{done}?tab=yaml",
    "approvals": "/approvals",
    "packs": "/packs",
    "pack": "/packs/default/platform-team",
    "instances": "/instances",
    "instance": "/instances/default/platform-team-sre-agent",
    "schedules": "/schedules",
    "skills": "/skills",
    "policies": "/policies",
    "policy": "/policies/sympozium-system/default-policy",
    "usage": "/usage",
}
"""Name of the picture -> address."""


def main() -> None:
    wanted = sys.argv[1:] or list(PAGES)
    environ = {key: value for key, value in os.environ.items() if not key.startswith("OPENAI_")}
    with tempfile.TemporaryDirectory() as directory, Cluster(Path(directory), environ=environ) as cluster:
        names = story(cluster)
        with chromium() as browser:
            for theme in ("light", "dark"):
                take(browser, cluster, theme, {name: PAGES[name].format(**names) for name in wanted})
            take(browser, cluster, "light", {"phone-run": PAGES["run-approval"].format(**names)}, phone=True)


def story(cluster: Cluster) -> dict[str, str]:
    """What there is to see; returns the names of its runs."""
    break_something(cluster, "shop", 7)
    cluster.sympozium("pack", "enable", "platform-team")
    cluster.wait(
        SCHEDULE, SCHEDULE_NAME, lambda s: bool((s.get("status") or {}).get("nextRunTime")), "default"
    )
    done = fire(cluster, "aa11")
    approve(cluster, done)
    cluster.wait(AGENT_RUN, done, lambda r: phase(r) == "Succeeded", "default", timeout=180)
    break_something(cluster, "billing", 11)
    waiting = fire(cluster, "bb22")
    cluster.wait(AGENT_RUN, waiting, lambda r: phase(r) == "AwaitingApproval", "default", timeout=180)
    return {"done": done, "waiting": waiting}


def break_something(cluster: Cluster, namespace: str, chance: int) -> None:
    cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    failure, broken, healthy = draw(namespace, random.Random(chance))
    for pod in (broken, *healthy):
        cluster.create(pod)
    cluster.wait(POD, broken["metadata"]["name"], lambda p: symptom(p) == failure.reason, namespace)


def fire(cluster: Cluster, token: str) -> str:
    patch = {"metadata": {"annotations": {"sympozium.ai/fire": token}}}
    cluster.patch(SCHEDULE, SCHEDULE_NAME, patch, "default")
    fired = cluster.wait(
        SCHEDULE,
        SCHEDULE_NAME,
        lambda s: token in str((s.get("status") or {}).get("lastRunName", "")),
        "default",
    )
    return str(fired["status"]["lastRunName"])


def approve(cluster: Cluster, run: str) -> None:
    """Whatever the run asks, until it has ended."""
    while phase(cluster.get(AGENT_RUN, run, "default")) not in ("Succeeded", "Failed", "Cancelled"):
        cluster.wait(
            AGENT_RUN, run, lambda r: phase(r) != "Running" and phase(r) != "Pending", "default", timeout=180
        )
        for asked in cluster.items(APPROVAL_REQUEST, "default", labelSelector=f"sympozium.ai/run={run}"):
            if not (asked.get("status") or {}).get("decision"):
                decision = {"status": {"decision": "Approved", "comment": "seen it, go on"}}
                cluster.patch(
                    APPROVAL_REQUEST, asked["metadata"]["name"], decision, "default", subresource="status"
                )


def settle(person: Person) -> None:
    """Until the page has been the same for a while, but for its clocks: a history comes piece by piece."""
    before = ""
    for _ in range(20):
        now = re.sub(r"[0-9]+", "", person.page.locator("main").inner_text())
        if now == before:
            return
        before = now
        person.page.wait_for_timeout(700)


def take(
    browser: Browser, cluster: Cluster, theme: str, pages: dict[str, str], *, phone: bool = False
) -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    size = PHONE if phone else DESKTOP
    with browser.new_context(viewport=size, color_scheme=theme, reduced_motion="reduce") as context:
        person = Person(context.new_page(), url_of(cluster))
        person.page.goto(sign_in_link(person.url, admin_token(cluster)))
        person.heading("Overview")
        for name, where in pages.items():
            person.go(where)
            expect(person.page.get_by_role("heading", level=1)).to_be_visible()
            expect(person.page.get_by_role("status", name="Loading")).to_have_count(0)
            settle(person)
            path = IMAGES / f"{name}-{theme}.png"
            person.page.screenshot(path=path)
            print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
