"""A person starts a run, watches it, decides, finds it again; and what happens when something breaks meanwhile."""

import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import expect

from browser.harness import Person
from e2e.support import agent, policy, run, say
from sympozium.testing import AGENT_RUN, Cluster, ScriptedModel, phase

ASK = {
    "defaultAction": "allow",
    "rules": [{"tool": "write_file", "action": "ask", "reason": "files are written with a person's word"}],
}
LONG = " ".join(f"word{number}" for number in range(60))
SCRIPT = say(
    {"id": "think", "say": LONG, "call": [{"tool": "list_directory", "arguments": {"path": "."}}]},
    {
        "id": "change",
        "say": "I write it down.",
        "call": [{"tool": "write_file", "arguments": {"path": "web.yaml", "content": "image: nginx:1.27\n"}}],
    },
    {"id": "end", "say": "Done: quokka."},
)


@dataclass(frozen=True)
class World:
    cluster: Cluster
    namespace: str


@pytest.fixture(scope="module")
def world(sympozium_cluster: Cluster) -> Iterator[World]:
    """An agent whose model writes slowly, and which asks before it writes a file."""
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": "browser-"}}
    namespace: str = sympozium_cluster.create(body)["metadata"]["name"]
    policy(sympozium_cluster, namespace, toolGating=ASK)
    with ScriptedModel(SCRIPT, pace=0.1) as model:
        agent(sympozium_cluster, namespace, model.base_url)
        yield World(sympozium_cluster, namespace)
    sympozium_cluster.request("DELETE", f"/api/v1/namespaces/{namespace}")


def badge(person: Person) -> object:
    return person.page.get_by_role("main").get_by_role("status").first


def test_from_a_task_to_its_result(person: Person, world: World) -> None:
    page = person.page
    person.go(f"/runs?ns={world.namespace}")
    expect(page.get_by_role("main")).to_contain_text("No run yet")
    person.accessible("no runs")
    page.keyboard.press("n")
    dialog = page.get_by_role("dialog", name="New run")
    expect(dialog.get_by_label("Agent")).to_have_value(f"{world.namespace}/agent")
    person.accessible("new run")
    dialog.get_by_label("Task").fill("Mend deployment zebrafinch.")
    page.keyboard.press("Control+Enter")
    expect(dialog).to_have_count(0)
    person.heading(re.compile(r"agent-"))

    transcript = page.get_by_role("list", name="Transcript")
    expect(transcript).to_contain_text("word3")
    assert "word59" not in transcript.inner_text(), "the text is seen while it is written"
    page.reload()
    expect(transcript).to_contain_text("word3 word4")
    expect(transcript).to_contain_text(LONG)
    assert transcript.inner_text().count("word0 ") == 1, (
        "nothing is lost by a reload, and nothing is there twice"
    )

    expect(page.get_by_text("This call waits for a person")).to_be_visible()
    expect(transcript).to_contain_text("+image: nginx:1.27".lstrip("+"))
    expect(page.get_by_role("main").get_by_role("status").first).to_contain_text("Awaiting approval")
    person.accessible("approval")
    page.keyboard.press("a")
    expect(page.get_by_role("button", name="Approve")).to_be_focused()
    page.keyboard.press("Enter")
    expect(transcript).to_contain_text("Approved by kubernetes-admin")
    expect(page.get_by_role("region", name="Result")).to_contain_text("Done: quokka.")
    for _ in range(2):  # as it went on, and as its history is told
        expect(transcript.locator(".call-head").get_by_text("allowed")).to_have_count(2)
        expect(transcript.get_by_text("no outcome")).to_have_count(0)
        page.reload()
    expect(page.get_by_role("main").get_by_role("status").first).to_contain_text("Succeeded")
    person.accessible("finished run")
    page.emulate_media(color_scheme="dark")
    person.accessible("finished run, in the dark")
    for tab in ("Timing", "Sub-agents", "Decisions", "Events", "YAML"):
        page.get_by_role("tab", name=tab).click()
        panel = page.get_by_role("tabpanel")
        expect(panel).not_to_be_empty()
        expect(panel.get_by_role("status", name="Loading")).to_have_count(0)
        expect(page.get_by_role("alert")).to_have_count(0)
        person.accessible(tab)
    expect(page.get_by_role("tabpanel")).to_contain_text("kind: AgentRun")

    person.go(f"/runs?ns={world.namespace}")
    expect(page.get_by_label("Search runs")).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("zebraf")
    expect(page.locator("mark")).to_have_text("zebrafinch")
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Result")).to_contain_text("quokka")


def test_a_killed_server_is_noticed_and_recovered_from(person: Person, world: World) -> None:
    page = person.page
    person.allow("ERR_|Failed to load resource|Failed to fetch")
    run(world.cluster, world.namespace, name="survivor", task="Go on.")
    person.go(f"/runs/{world.namespace}/survivor?ns={world.namespace}")
    transcript = page.get_by_role("list", name="Transcript")
    expect(transcript).to_contain_text("word2")
    # With its supervisor stopped it stays away for as long as it takes to look.
    world.cluster.kill("supervisor", number=signal.SIGSTOP)
    try:
        world.cluster.kill("apiserver")
        expect(page.get_by_text("Disconnected")).to_be_visible()
    finally:
        world.cluster.kill("supervisor", number=signal.SIGCONT)
    expect(page.get_by_text("Disconnected")).to_have_count(0)
    expect(transcript).to_contain_text(LONG)
    assert transcript.inner_text().count("word0 ") == 1
    expect(page.get_by_text("This call waits for a person")).to_be_visible()
    page.get_by_label("Comment").fill("not now")
    page.get_by_role("button", name="Deny").click()
    expect(transcript).to_contain_text("Denied by kubernetes-admin: not now")
    world.cluster.wait(AGENT_RUN, "survivor", lambda r: phase(r) == "Succeeded", world.namespace)
    expect(page.get_by_role("main").get_by_role("status").first).to_contain_text("Succeeded")


def test_a_run_is_held_let_go_on_and_cancelled(person: Person, world: World) -> None:
    page = person.page
    run(world.cluster, world.namespace, name="held", task="Go on.")
    person.go(f"/runs/{world.namespace}/held?ns={world.namespace}")
    status = page.get_by_role("main").get_by_role("status").first
    expect(page.get_by_role("list", name="Transcript")).to_contain_text("word1")
    page.keyboard.press("s")
    expect(status).to_contain_text("Suspended")
    expect(page.get_by_role("list", name="Transcript")).to_contain_text("Held")
    page.keyboard.press("s")
    expect(status).to_contain_text(re.compile("Running|Awaiting"))
    page.keyboard.press("c")
    page.get_by_role("dialog").get_by_role("button", name="Cancel the run").click()
    expect(status).to_contain_text("Cancelled")
    expect(page.get_by_role("button", name="Retry")).to_be_visible()


def test_the_list_is_live_and_its_filters_are_the_address(person: Person, world: World) -> None:
    page = person.page
    person.go(f"/runs?ns={world.namespace}&sort=created")
    table = page.get_by_role("table")
    run(world.cluster, world.namespace, name="newcomer", task="Appear.")
    expect(table.get_by_role("link", name="newcomer")).to_be_visible()
    world.cluster.patch(AGENT_RUN, "newcomer", {"spec": {"cancel": True}}, world.namespace)
    row = table.get_by_role("row").filter(has_text="newcomer")
    expect(row).to_contain_text("Cancelled")
    page.get_by_role("button", name=re.compile("^Cancelled")).click()
    expect(page).to_have_url(re.compile("phase=Cancelled"))
    expect(table.get_by_role("row").filter(has_text="Succeeded")).to_have_count(0)
    expect(row).to_have_count(1)
    page.reload()
    expect(row).to_have_count(1)
    page.get_by_role("button", name="Clear").click()
    expect(page).not_to_have_url(re.compile("phase="))
    person.accessible("runs")


def test_the_overview_shows_what_waits(person: Person, world: World) -> None:
    page = person.page
    run(world.cluster, world.namespace, name="asks", task="Ask.")
    person.go(f"/?ns={world.namespace}")
    card = page.get_by_role("region", name="Waits for you")
    expect(card).to_contain_text("write_file")
    expect(card).to_contain_text("asks")
    person.accessible("overview")
    card.get_by_role("link", name="asks").click()
    expect(page.get_by_text("This call waits for a person")).to_be_visible()
