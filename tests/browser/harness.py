"""A person before the dashboard: Debian's Chromium, signed in by a one-time link, against a whole control plane.

What the browser complains of (an exception, an error in the console, a violated Content-Security-Policy, a request to another
host) fails the test that has seen it. `Person.allow` names what a test provokes.
"""

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import yaml
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

from sympozium.testing import Cluster
from sympozium.up.state import read

AXE = Path(__file__).parents[2] / "web/node_modules/axe-core/axe.min.js"
DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
expect.set_options(timeout=60_000)


@contextmanager
def chromium() -> Iterator[Browser]:
    path = shutil.which("chromium")
    assert path, "Debian's chromium is needed: sh scripts/test_tools.sh installs it"
    with sync_playwright() as driver:
        # As root, Chromium's sandbox is not to be had; the pages are our own.
        browser = driver.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


def url_of(cluster: Cluster) -> str:
    state = read(cluster.data)
    assert state is not None
    assert state.dashboard, "the API server runs"
    return state.dashboard


def admin_token(cluster: Cluster) -> str:
    config = yaml.safe_load(cluster.data.kubeconfig.read_text())
    token: str = config["users"][0]["user"]["token"]
    return token


def sign_in_link(url: str, token: str) -> str:
    """What `sympozium open` opens."""
    answer = httpx2.post(
        f"{url}/api/v1/session/links",
        headers={"Authorization": f"Bearer {token}"},
        trust_env=False,
        timeout=60,
    )
    answer.raise_for_status()
    link: str = answer.json()["url"]
    return link


class Person:
    """One tab of one browser. `page` is Playwright's."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self._allowed: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(f"exception: {error}"))
        page.on("request", self._request)
        page.add_init_script(
            "addEventListener('securitypolicyviolation',"
            " e => console.error(`policy ${e.effectiveDirective}: ${e.blockedURI}`))"
        )

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text} ({message.location['url']})")

    def _request(self, request: Request) -> None:
        self.requests.append(request.url)
        if urlsplit(request.url).netloc not in (urlsplit(self.url).netloc, ""):
            self.complaints.append(f"request to another host: {request.url}")

    def allow(self, pattern: str) -> None:
        """Complaints that fit are what the test is about."""
        self._allowed.append(pattern)

    def check(self) -> None:
        """Raises AssertionError for what the browser has complained of."""
        found = [one for one in self.complaints if not any(re.search(p, one) for p in self._allowed)]
        assert not found, "\n".join(found)

    def go(self, where: str) -> None:
        """A page by its address after `#`, as if it were typed."""
        self.page.goto(f"{self.url}/#{where}")

    def heading(self, text: str | re.Pattern[str]) -> None:
        """Waits until the page of that heading is shown."""
        expect(self.page.get_by_role("heading", level=1)).to_contain_text(text)

    def accessible(self, where: str = "") -> None:
        """Raises AssertionError with what axe finds wrong on the page as it is."""
        if not self.page.evaluate("'axe' in window"):
            # Evaluated by the debugger: the page's own policy would refuse a script from outside.
            self.page.evaluate(AXE.read_text() + "\n;0")
        found = self.page.evaluate(
            "async () => (await axe.run(document, {resultTypes: ['violations']})).violations.map(v => ({id: v.id, help: v.help,"
            " nodes: v.nodes.slice(0, 4).map(n => `${n.html.slice(0, 160)} | ${n.failureSummary}`)}))"
        )
        assert not found, f"{where} {json.dumps(found, indent=1)}"
