"""Setting up in the browser: a model is tried and chosen, a key is not shown again, a team is enabled, a run begins."""

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from browser.harness import Person
from sympozium.testing import Cluster, ScriptedModel
from sympozium.testing.resources import SYMPOZIUM_CONFIG

KEY = "sk-canary-of-the-browser"
SYSTEM = "sympozium-system"


@pytest.fixture
def model(sympozium_cluster: Cluster) -> Iterator[ScriptedModel]:
    """Afterwards the installation has the model that it had."""
    before = sympozium_cluster.get(SYMPOZIUM_CONFIG, "default", SYSTEM)["spec"]
    secrets = {
        namespace: sympozium_cluster.request(
            "GET", f"/api/v1/namespaces/{namespace}/secrets/sympozium-llm-key"
        )["data"]
        for namespace in ("default", SYSTEM)
    }
    script = {
        "banner": False,
        "models": ["m1", "m2"],
        "rules": [{"name": "all", "match": {}, "steps": [{"say": "<b>ready</b>"}]}],
    }
    with ScriptedModel(script, api_key=KEY) as scripted:
        yield scripted
    spec = {"model": before["model"], "provider": before["provider"]}
    sympozium_cluster.patch(SYMPOZIUM_CONFIG, "default", {"spec": spec}, SYSTEM)
    for namespace, data in secrets.items():
        path = f"/api/v1/namespaces/{namespace}/secrets/sympozium-llm-key"
        sympozium_cluster.request("PATCH", path, {"data": data}, content_type="application/merge-patch+json")


def test_a_model_is_tried_and_chosen(
    person: Person, sympozium_cluster: Cluster, model: ScriptedModel
) -> None:
    page = person.page
    person.go("/setup")
    person.heading("Set up")
    page.get_by_label("Address").fill(model.base_url)
    page.get_by_label("Key").fill("sk-wrong")
    page.get_by_role("button", name="Try it").click()
    expect(page.get_by_role("alert")).to_contain_text("refuses the key (401)")
    expect(page.get_by_role("button", name="Use it")).to_be_disabled()
    page.get_by_label("Key").fill(KEY)
    page.get_by_role("button", name="Try it").click()
    expect(page.get_by_text("It works: m1 said “<b>ready</b>”")).to_be_visible()
    page.get_by_label(re.compile("^Model")).fill("m2")
    expect(page.get_by_role("button", name="Use it")).to_be_disabled()
    page.get_by_role("button", name="Try it").click()
    expect(page.get_by_text("It works: m2 said")).to_be_visible()
    person.accessible("setup")
    page.get_by_role("button", name="Use it").click()
    expect(page.get_by_text("Now m2")).to_be_visible()
    assert sympozium_cluster.get(SYMPOZIUM_CONFIG, "default", SYSTEM)["spec"]["model"] == "m2"
    expect(page.get_by_label("Key")).to_have_value("")
    assert KEY not in json.dumps(page.evaluate("document.documentElement.outerHTML"))


def test_the_doctor_and_the_settings(person: Person) -> None:
    page = person.page
    person.go("/settings")
    person.heading("Settings")
    for check in ("webhook", "controller", "bus", "API server of Sympozium"):
        row = page.get_by_role("listitem").filter(has_text=check)
        expect(row.first).to_contain_text("well")
    expect(page.get_by_label("SympoziumConfig default")).to_contain_text("sympozium-llm-key")
    person.accessible("settings")
