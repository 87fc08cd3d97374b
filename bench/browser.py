"""The dashboard in Debian's Chromium: what a first load transfers, how soon an event is on the page, the list of 10,000 runs.

`first load` is what the browser receives until the overview is shown, as it goes over the wire. An event is stamped before its
publish and timed when its text is in the page, with 50 viewers of 10 runs beside it. The list is timed from the change of
the address to the first row in the page.
"""

import asyncio
import base64
import secrets
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
from playwright.sync_api import Browser, Page, sync_playwright

from bench import server_runs, streams
from bench.table import head, row
from bench.wire import Address
from sympozium.bus.publisher import Publisher
from sympozium.testing import Cluster
from sympozium.testing.kube import KubeAPI
from sympozium.up.install import SERVER, SERVER_KEYS
from sympozium.up.state import State, read

_SECONDS, _EVERY, _TIMES = 10.0, 0.1, 20
_WATCH = """() => {
  window.seen = new Map();
  const look = (text, at) => {
    for (const [, stamp] of text.matchAll(/@(\\d+)@/g)) if (!seen.has(stamp)) seen.set(stamp, at);
  };
  new MutationObserver(() => look(document.body.innerText, performance.timeOrigin + performance.now()))
    .observe(document.body, {subtree: true, childList: true, characterData: true});
}"""
_LIST = """() => new Promise(done => {
  location.hash = '#/triggers';
  const away = setInterval(() => {
    if (document.querySelector('h1')?.textContent !== 'Triggers') return;
    clearInterval(away);
    const began = performance.now();
    const see = new MutationObserver(() => {
      if (!document.querySelector('a[data-row-link][href*="runs/"]')) return;
      see.disconnect();
      requestAnimationFrame(() => done(performance.now() - began));
    });
    see.observe(document.body, {subtree: true, childList: true});
    location.hash = '#/runs';
  }, 20);
})"""


@contextmanager
def _browser() -> Iterator[Browser]:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield browser
        browser.close()


def _signed_in(browser: Browser, url: str, token: str) -> Page:
    link = httpx2.post(
        f"{url}/api/v1/session/links", headers={"Authorization": f"Bearer {token}"}, trust_env=False
    ).json()["url"]
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.goto(link)
    page.get_by_role("navigation").first.wait_for()
    return page


def _first_load(browser: Browser, url: str, token: str) -> None:
    page = _signed_in(browser, url, token)
    page.goto("about:blank")
    page.goto(url)
    page.get_by_role("heading", level=1, name="Overview").wait_for()
    page.wait_for_load_state("load")
    sizes: list[dict[str, Any]] = page.evaluate(
        "() => [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]"
        ".map(one => ({name: one.name, size: one.encodedBodySize}))"
    )
    files = [one["size"] for one in sizes if "/api/" not in one["name"]]
    print(head("first load of the overview, compressed", 1))
    print(row(f"files ({len(files)})", [sum(files) / 1000], "kB", 120))
    print(row("with what the API answers", [sum(one["size"] for one in sizes) / 1000], "kB"))
    page.context.close()


async def _speak(agent: Publisher, pieces: bool) -> list[int]:
    import time

    said, end, step = [], time.monotonic() + _SECONDS, 1
    while time.monotonic() < end:
        stamp = time.time_ns()
        said.append(stamp)
        text = f"@{stamp}@ "
        if pieces:
            await agent.publish_delta({"step": 1, "text": text})
        else:
            step += 1
            usage = {"inputTokens": 1, "outputTokens": 1}
            message = {
                "step": step,
                "text": text,
                "toolCalls": [],
                "usage": usage,
                "finishReason": "tool_calls",
            }
            await agent.publish("model.message", message)
        await asyncio.sleep(_EVERY)
    return said


def _live(browser: Browser, cluster: Cluster, state: State, token: str) -> None:
    runs, tokens = streams.runs_of(cluster), streams.people(cluster)
    paths = [f"/namespaces/default/runs/{run.name}/events" for run in runs for _ in range(5)]

    async def spoken(pieces: bool) -> list[int]:
        async with streams.speakers(cluster, state, runs) as agents:
            first, *others = agents
            async with asyncio.TaskGroup() as group:
                group.create_task(streams.all_speak(others, pieces=pieces))
                mine = group.create_task(_speak(first, pieces))
            return mine.result()

    for pieces in (True, False):
        viewers = streams.Viewers(state.dashboard, paths, tokens)
        page = _signed_in(browser, state.dashboard, token)
        page.goto(f"{state.dashboard}/#/runs/default/{runs[0].name}")
        page.get_by_role("heading", level=1, name=runs[0].name).wait_for()
        page.evaluate(_WATCH)
        said = _beside(page, spoken(pieces))
        seen = {int(stamp): at for stamp, at in page.evaluate("() => [...seen]")}
        viewers.end()
        delays = [seen[stamp] - stamp / 1e6 for stamp in said if stamp in seen]
        what = "pieces of text" if pieces else "stored messages"
        print(head(f"{what}, 50 viewers and a browser", len(delays)))
        print(row("publish -> in the page", delays, "ms"))
        print(row("  99 of 100", [streams.percentile(delays, 0.99)], "ms", 100))
        if len(delays) < len(said):
            print(f"  {len(said) - len(delays)} of {len(said)} were not seen")
        page.context.close()


def _beside(page: Page, work: Any) -> list[int]:
    """Run what speaks in a thread: Playwright's own loop is in this one, and must go on."""
    import threading

    found: list[list[int]] = []
    thread = threading.Thread(target=lambda: found.append(asyncio.run(work)))
    thread.start()
    while thread.is_alive():
        page.wait_for_timeout(100)
    return found[0]


def _list(browser: Browser) -> None:
    with tempfile.TemporaryDirectory() as directory, KubeAPI(Path(directory) / "kube") as kube:
        server_runs.prepare(kube)
        keys = {name: base64.b64encode(secrets.token_bytes(32)).decode() for name in SERVER_KEYS}
        metadata = {"name": SERVER, "namespace": "sympozium-system"}
        kube.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": keys})
        server_runs.fill(Address.of(kube.kubeconfig))
        with server_runs.serving(kube, Path(directory)) as server:
            page = _signed_in(browser, server.url, "admin-token")
            times = [float(page.evaluate(_LIST)) for _ in range(_TIMES)]
            print(head("list of 10,000 runs in the browser", _TIMES))
            print(row("address changed -> rows are shown", times, "ms", 200))
            page.context.close()


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as directory,
        Cluster(Path(directory)) as cluster,
        _browser() as browser,
    ):
        state = read(cluster.data)
        assert state is not None
        token = _token(cluster)
        _first_load(browser, state.dashboard, token)
        _live(browser, cluster, state, token)
    with _browser() as browser:
        _list(browser)


def _token(cluster: Cluster) -> str:
    import yaml

    config = yaml.safe_load(cluster.data.kubeconfig.read_text())
    return str(config["users"][0]["user"]["token"])


if __name__ == "__main__":
    main()
    sys.exit(0)
