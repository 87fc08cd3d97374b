"""Governing in the browser: packs, approvals by keyboard, policies with check and trial, and everything that is edited as YAML."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from browser.harness import PHONE, Person
from e2e.support import agent, finished, policy, run, say
from sympozium.testing import AGENT_RUN, APPROVAL_REQUEST, Cluster, ScriptedModel, phase

ASK = {
    "defaultAction": "allow",
    "rules": [{"tool": "execute_command", "action": "ask", "reason": "changes things"}],
}
HOSTILE = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"
SCRIPT = say(
    {
        "id": "change",
        "call": [{"tool": "execute_command", "arguments": {"command": f"echo changed; : '{HOSTILE}'"}}],
    },
    {"id": "end", "say": "answer: {{result|head(5)}}"},
)


@pytest.fixture
def asking(sympozium_cluster: Cluster, namespace: str) -> Iterator[str]:
    """A namespace with an agent whose every command is asked about."""
    policy(sympozium_cluster, namespace, name="asks", toolGating=ASK)
    with ScriptedModel(SCRIPT) as model:
        agent(sympozium_cluster, namespace, model.base_url, policy_ref="asks")
        yield namespace


def _waiting(cluster: Cluster, namespace: str, name: str) -> str:
    """Start a run; the name of its approval request, once it asks."""
    run(cluster, namespace, name=name)
    asked = cluster.wait_any(
        APPROVAL_REQUEST,
        lambda a: a["spec"]["runRef"] == name,
        namespace,
        timeout=90,
        what=f"a call of {name}",
    )
    found: str = asked["metadata"]["name"]
    return found


def _editor(page: Page, kind: str) -> Locator:
    return page.get_by_role("textbox", name=f"{kind} as YAML")


def test_a_call_arrives_and_is_decided_by_keyboard(
    person: Person, sympozium_cluster: Cluster, asking: str
) -> None:
    page = person.page
    person.go(f"/approvals?ns={asking}")
    expect(page.get_by_role("main")).to_contain_text("Nothing waits for a decision")
    person.accessible("an empty inbox")

    first = _waiting(sympozium_cluster, asking, "first")
    detail = page.get_by_role("region", name="Call of execute_command")
    expect(detail).to_contain_text("echo changed")
    expect(detail).to_contain_text(HOSTILE)
    expect(detail).to_contain_text("changes things")
    expect(page.get_by_role("link", name="Approvals")).to_contain_text("1")
    person.accessible("a call that waits")

    _waiting(sympozium_cluster, asking, "second")
    calls = page.get_by_role("navigation", name="Calls").get_by_role("button")
    expect(calls).to_have_count(2)
    expect(detail).to_contain_text("first")
    page.keyboard.press("a")
    expect(page.get_by_role("dialog", name="Approve execute_command?")).to_contain_text("first")
    person.accessible("the question before")
    page.keyboard.press("Enter")
    expect(calls).to_have_count(1)
    assert finished(sympozium_cluster, asking, "first")["status"]["phase"] == "Succeeded"
    decided = sympozium_cluster.get(APPROVAL_REQUEST, first, asking)["status"]
    assert decided["decision"] == "Approved"
    assert decided["decidedBy"]

    expect(detail).to_contain_text("second")
    page.keyboard.press("d")
    expect(page.get_by_role("textbox", name=re.compile("^Why not"))).to_be_focused()
    page.keyboard.type("say it in words instead")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)
    ended = finished(sympozium_cluster, asking, "second")["status"]
    assert "say it in words instead" in ended["result"]
    page.get_by_role("button", name="Decided").click()
    expect(calls).to_have_count(2)
    expect(page.get_by_role("main")).to_contain_text("say it in words instead")
    assert "taken" not in page.title()


def test_a_call_that_others_decide_stays_in_sight(
    person: Person, sympozium_cluster: Cluster, asking: str
) -> None:
    page = person.page
    name = _waiting(sympozium_cluster, asking, "run")
    person.go(f"/approvals?ns={asking}")
    detail = page.get_by_role("region", name="Call of execute_command")
    expect(detail.get_by_role("button", name="Approve")).to_be_enabled()
    sympozium_cluster.patch(
        APPROVAL_REQUEST, name, {"status": {"decision": "Denied"}}, asking, subresource="status"
    )
    expect(detail).to_contain_text("no longer waits")
    page.keyboard.press("a")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_pack_is_enabled_and_taken_away(person: Person, sympozium_cluster: Cluster, namespace: str) -> None:
    page = person.page
    person.go("/packs")
    card = page.get_by_role("article").filter(has_text="platform-team").filter(has_text="Enable…").first
    person.heading("Packs")
    person.accessible("packs")
    card.get_by_role("button", name="Enable…").click()
    dialog = page.get_by_role("dialog", name="Enable platform-team")
    dialog.get_by_role("combobox", name="Namespace").fill(namespace)
    dialog.get_by_role("textbox", name=re.compile("^Model")).fill("scripted")
    dialog.get_by_label("Incident Responder").uncheck()
    person.accessible("the form of a pack")
    dialog.get_by_role("button", name="Enable").click()

    person.heading("platform-team")
    row = page.get_by_role("row", name=re.compile("SRE Agent"))
    expect(row.get_by_role("link", name="SRE Agent")).to_be_visible()
    expect(page.get_by_role("row", name=re.compile("Incident Responder"))).to_contain_text("left out")
    person.accessible("a pack")

    page.get_by_role("tab", name="Edit as YAML").click()
    editor = _editor(page, "PersonaPack")
    expect(editor).to_have_value(re.compile("model: scripted"))
    editor.fill(editor.input_value().replace("model: scripted", "model: other"))
    page.get_by_role("button", name="Review and save").click()
    expect(page.get_by_role("region", name="What will change")).to_contain_text("model: other")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(page.get_by_role("dialog")).to_have_count(0)

    page.get_by_role("tab", name="Personas").click()
    expect(row).to_contain_text("other")
    page.get_by_role("button", name="Disable…").click()
    question = page.get_by_role("dialog", name="Disable platform-team?")
    expect(question).to_contain_text("platform-team-sre-agent-schedule")
    expect(question).to_contain_text("its runs and their records")
    question.get_by_role("button", name="Disable").click()
    expect(page.get_by_role("button", name="Enable…")).to_be_visible()
    expect(row.get_by_role("link", name="SRE Agent")).to_have_count(0)


def test_a_policy_is_edited_and_a_run_is_refused(
    person: Person, sympozium_cluster: Cluster, asking: str
) -> None:
    page = person.page
    person.go(f"/policies/{asking}/asks")
    editor = _editor(page, "SympoziumPolicy")
    begin = editor.input_value()
    editor.fill(begin.replace("action: ask", "action: perhaps"))
    findings = page.get_by_role("list", name="Problems")
    expect(findings).to_contain_text("toolGating.rules")
    person.accessible("a policy with a mistake")
    findings.get_by_role("button").first.click()
    expect(editor).to_be_focused()

    editor.fill(begin.replace("action: ask", "action: deny"))
    expect(page.get_by_text("checked: nothing found")).to_be_visible()
    page.get_by_role("button", name="What would it say?").click()
    expect(page.get_by_label("The answer")).to_contain_text("denied")
    page.get_by_role("tab", name="Past runs").click()
    page.get_by_role("button", name="Judge them").click()
    expect(page.get_by_label("What would have been different")).to_contain_text("runs")
    editor.press("Control+Enter")
    review = page.get_by_role("dialog", name="What will change")
    expect(review).to_contain_text("action: deny")
    person.accessible("what will change")
    review.get_by_role("button", name="Save").click()
    expect(review).to_have_count(0)

    person.go(f"/instances/{asking}/agent")
    page.get_by_role("button", name="Give a task…").click()
    page.get_by_role("textbox", name=re.compile("^Task")).fill("Change it.")
    page.get_by_role("button", name="Start").click()
    expect(page).to_have_url(re.compile(f"/runs/{asking}/"))
    name = page.url.split("?")[0].rsplit("/", 1)[1]
    assert "denied" in finished(sympozium_cluster, asking, name)["status"]["result"].lower()
    expect(page.get_by_role("main")).to_contain_text("denied")


def test_who_saves_second_sees_what_the_first_did(
    person: Person, sympozium_cluster: Cluster, asking: str
) -> None:
    page = person.page
    person.go(f"/policies/{asking}/asks")
    editor = _editor(page, "SympoziumPolicy")
    editor.fill(editor.input_value().replace("changes things", "mine"))
    policy(sympozium_cluster, asking, name="asks", toolGating=ASK, subagentPolicy={"maxDepth": 1})
    expect(page.get_by_role("main")).to_contain_text("Somebody else saved this meanwhile")
    expect(page.get_by_role("region", name="What they changed")).to_contain_text("maxDepth")
    person.accessible("a conflict")
    page.get_by_role("button", name="Take theirs, drop mine").click()
    expect(editor).to_have_value(re.compile("maxDepth: 1"))
    expect(editor).not_to_have_value(re.compile("mine"))


def test_an_instance_tells_what_it_is_and_did(
    person: Person, sympozium_cluster: Cluster, asking: str
) -> None:
    page = person.page
    run(sympozium_cluster, asking)
    sympozium_cluster.wait(AGENT_RUN, "run", lambda r: phase(r) == "AwaitingApproval", asking, timeout=90)
    person.go(f"/instances?ns={asking}")
    expect(page.get_by_role("row", name=re.compile("agent"))).to_contain_text("asks")
    person.accessible("instances")
    page.get_by_role("link", name="agent", exact=True).click()
    person.heading("agent")
    expect(page.get_by_role("main")).to_contain_text("scripted")
    person.accessible("an instance")
    page.get_by_role("tab", name="Runs").click()
    expect(page.get_by_role("link", name="run", exact=True)).to_be_visible()


def test_a_schedule_is_fired_and_suspended(person: Person, sympozium_cluster: Cluster, asking: str) -> None:
    page = person.page
    sympozium_cluster.apply(
        {
            "apiVersion": "sympozium.ai/v1alpha1",
            "kind": "SympoziumSchedule",
            "metadata": {"name": "yearly", "namespace": asking},
            "spec": {"instanceRef": "agent", "schedule": "0 0 1 1 *", "task": "Say hello."},
        }
    )
    person.go(f"/schedules?ns={asking}")
    row = page.get_by_role("row", name=re.compile("yearly"))
    expect(row).to_contain_text("Active")
    person.accessible("schedules")
    row.get_by_role("button", name="Fire now yearly").click()
    made = sympozium_cluster.wait_any(
        AGENT_RUN, lambda r: r["spec"]["instanceRef"] == "agent", asking, what="the run that was fired"
    )
    expect(page.get_by_role("status").filter(has_text=made["metadata"]["name"])).to_be_visible()
    row.get_by_role("button", name="Suspend yearly").click()
    expect(row).to_contain_text("Suspended")
    page.get_by_role("link", name="yearly", exact=True).click()
    expect(page.get_by_role("main")).to_contain_text("Say hello.")
    person.accessible("a schedule")


def test_what_a_skill_teaches_is_text(person: Person, sympozium_cluster: Cluster, namespace: str) -> None:
    page = person.page
    sympozium_cluster.apply(
        {
            "apiVersion": "sympozium.ai/v1alpha1",
            "kind": "SkillPack",
            "metadata": {"name": "lore", "namespace": namespace},
            "spec": {
                "skills": [
                    {
                        "name": "charm",
                        "description": HOSTILE,
                        "content": f"# Charm\n{HOSTILE}\n[x](javascript:alert(1))",
                    }
                ]
            },
        }
    )
    person.go(f"/skills?ns={namespace}")
    page.get_by_role("link", name="lore", exact=True).click()
    expect(page.get_by_role("region", name="Instructions charm")).to_contain_text(f"# Charm\n{HOSTILE}")
    person.accessible("a skill pack")
    page.get_by_role("tab", name="Edit as YAML").click()
    expect(_editor(page, "SkillPack")).to_have_value(re.compile("javascript:alert"))
    assert page.locator("main img, main a[href^=javascript]").count() == 0
    assert "taken" not in page.title()


def test_usage_adds_up(person: Person, sympozium_cluster: Cluster, namespace: str) -> None:
    page = person.page
    policy(sympozium_cluster, namespace)
    with ScriptedModel(say({"id": "end", "say": "done"})) as model:
        agent(sympozium_cluster, namespace, model.base_url)
        run(sympozium_cluster, namespace)
        used = finished(sympozium_cluster, namespace)["status"]["tokenUsage"]
    person.go(f"/usage?ns={namespace}&by=instance")
    row = page.get_by_role("row", name=re.compile("^agent"))
    expect(row.get_by_role("cell").nth(1)).to_have_text("1")
    expect(row.get_by_role("cell").nth(3)).to_have_text(f"{used['inputTokens']:,}")
    expect(page.get_by_role("main")).to_contain_text("knows no prices")
    person.accessible("usage")


PAGES = (
    "/approvals",
    "/packs",
    "/instances",
    "/schedules",
    "/skills",
    "/policies",
    "/policies/sympozium-system/default-policy",
    "/usage",
)


def test_the_pages_fit_a_phone_and_can_be_read_in_the_dark(person: Person) -> None:
    person.page.set_viewport_size(PHONE)
    person.page.emulate_media(color_scheme="dark")
    for where in PAGES:
        person.go(where)
        expect(person.page.get_by_role("heading", level=1)).to_be_visible()
        expect(person.page.get_by_role("status", name="Loading")).to_have_count(0)
        person.accessible(where)
        wide = person.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= PHONE["width"], f"{where} is {wide} wide"
