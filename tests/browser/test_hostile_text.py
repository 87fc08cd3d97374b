"""Text of a model, a tool or a person never becomes markup, on any page that shows it."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import expect

from browser.harness import Person
from e2e.support import agent, finished, policy, run, say
from sympozium.testing import AGENT_RUN, APPROVAL_REQUEST, Cluster, ScriptedModel, phase

CORPUS = (
    '<img src=x data-evil onerror="window.evil=1">',
    "<script data-evil>window.evil=1</script>",
    '<svg data-evil onload="window.evil=1"></svg>',
    '"><iframe data-evil srcdoc="<script>parent.evil=1</script>"></iframe>',
    "</textarea></pre></code><b data-evil>bold</b>",
    "<a data-evil href='javascript:window.evil=1'>click</a>",
    "[click](javascript:window.evil=1) ![x](https://203.0.113.1/x.png)",
    "{{constructor.constructor('window.evil=1')()}} ${window.evil=1}",
    "<style data-evil>*{display:none}</style><base data-evil href=//203.0.113.1>",
    "<form data-evil action=//203.0.113.1><input name=x></form>",
)
EVIL = "\n".join(CORPUS)
TABS = ("Transcript", "Timing", "Sub-agents", "Decisions", "Events", "YAML")
RULES = {"defaultAction": "allow", "rules": [{"tool": "write_file", "action": "ask", "reason": EVIL[:500]}]}
SCRIPT = say(
    {
        "id": "say",
        "say": EVIL,
        "call": [{"tool": "execute_command", "arguments": {"command": f"echo '{CORPUS[0]}'"}}],
    },
    {
        "id": "write",
        "say": CORPUS[1],
        "call": [{"tool": "write_file", "arguments": {"path": "evil.html", "content": EVIL}}],
    },
    {"id": "end", "say": f"zorilla {EVIL}"},
)


@dataclass(frozen=True)
class World:
    cluster: Cluster
    namespace: str


@pytest.fixture(scope="module")
def hostile(sympozium_cluster: Cluster) -> Iterator[World]:
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": "hostile-"}}
    namespace: str = sympozium_cluster.create(body)["metadata"]["name"]
    policy(sympozium_cluster, namespace, toolGating=RULES)
    with ScriptedModel(SCRIPT) as model:
        agent(sympozium_cluster, namespace, model.base_url, displayName=CORPUS[0], systemPrompt=EVIL)
        for name in ("done", "asks"):
            run(sympozium_cluster, namespace, name=name, task=EVIL)
            sympozium_cluster.wait(
                AGENT_RUN, name, lambda r: phase(r) == "AwaitingApproval", namespace, timeout=120
            )
        decide(sympozium_cluster, namespace)
        finished(sympozium_cluster, namespace, "done")
        yield World(sympozium_cluster, namespace)
    sympozium_cluster.request("DELETE", f"/api/v1/namespaces/{namespace}")


def decide(cluster: Cluster, namespace: str) -> None:
    asked = cluster.wait_any(
        APPROVAL_REQUEST, lambda _: True, namespace, labelSelector="sympozium.ai/run=done"
    )
    body = {"status": {"decision": "Approved", "comment": EVIL[:300]}}
    cluster.patch(APPROVAL_REQUEST, asked["metadata"]["name"], body, namespace, subresource="status")


def harmless(person: Person, where: str) -> None:
    found = person.page.evaluate(
        "[...document.querySelectorAll('[data-evil], iframe, object, embed, base')].map(e => e.outerHTML)"
    )
    assert not found, f"{where}: {found}"
    assert person.page.evaluate("window.evil") is None, where
    person.check()


def test_the_corpus_does_something_where_it_is_markup(person: Person) -> None:
    """Else the tests below would hold whatever the pages did."""
    person.allow(".*")
    person.page.evaluate(
        "html => { const at = document.createElement('div'); at.innerHTML = html; document.body.append(at); }",
        EVIL,
    )
    with pytest.raises(AssertionError):
        harmless(person, "as markup")


def test_in_a_run(person: Person, hostile: World) -> None:
    page = person.page
    for name in ("done", "asks"):
        person.go(f"/runs/{hostile.namespace}/{name}?ns={hostile.namespace}")
        expect(page.get_by_role("list", name="Transcript")).to_contain_text("data-evil")
        for toggle in page.locator(".call-head").all():
            toggle.click()
        for tab in TABS:
            page.get_by_role("tab", name=tab).click()
            expect(page.get_by_role("tabpanel")).not_to_be_empty()
            expect(page.get_by_role("tabpanel").get_by_role("status", name="Loading")).to_have_count(0)
            harmless(person, f"{name}, {tab}")


def test_in_lists_and_what_was_found(person: Person, hostile: World) -> None:
    page = person.page
    person.go(f"/runs?ns={hostile.namespace}&q=zorilla")
    expect(page.locator("mark")).to_have_count(1)
    harmless(person, "search")
    person.go(f"/runs?ns={hostile.namespace}&q=img")
    expect(page.locator("mark").first).to_be_visible()
    harmless(person, "search for markup")
    page.keyboard.press("Control+k")
    page.get_by_role("combobox", name="Go to").fill("zorilla")
    expect(page.get_by_role("dialog").get_by_role("option")).to_have_count(1)
    harmless(person, "palette")


@pytest.mark.parametrize("where", ["/", "/approvals", "/instances", "/policies", "/schedules", "/usage"])
def test_on_other_pages(person: Person, hostile: World, where: str) -> None:
    person.go(f"{where}?ns={hostile.namespace}")
    expect(person.page.get_by_role("heading", level=1)).to_be_visible()
    expect(person.page.get_by_role("status", name="Loading")).to_have_count(0)
    harmless(person, where)
