"""What stands around every page: signing in, keys, navigation, themes, being disconnected."""

import re

from playwright.sync_api import Browser, expect

from browser.harness import DESKTOP, PHONE, Person, admin_token, sign_in_link, url_of
from sympozium.testing import Cluster

BUDGET = 120_000


def test_who_is_not_signed_in_sees_how_and_nothing_else(browser: Browser, sympozium_cluster: Cluster) -> None:
    url = url_of(sympozium_cluster)
    with browser.new_context(viewport=DESKTOP) as context:
        someone = Person(context.new_page(), url)
        someone.go("/runs")
        someone.heading("Sign in")
        someone.accessible("sign-in")
        asked = {request.removeprefix(url) for request in someone.requests if "/api/" in request}
        assert asked == {"/api/v1/session"}
        someone.check()

        someone.allow("401")
        someone.page.get_by_label("Kubernetes token").fill("guessed")
        someone.page.get_by_role("button", name="Sign in").click()
        expect(someone.page.get_by_role("alert")).to_contain_text("token")

        someone.page.get_by_label("Kubernetes token").fill(admin_token(sympozium_cluster))
        someone.page.get_by_role("button", name="Sign in").click()
        someone.heading("Runs")
        stored = someone.page.evaluate(
            "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])"
        )
        assert admin_token(sympozium_cluster) not in stored, "no script may hold the credential"
        someone.page.get_by_role("button", name="Sign out").click()
        someone.heading("Sign in")
        someone.check()


def test_a_link_signs_in_once_and_leaves_no_trace(browser: Browser, sympozium_cluster: Cluster) -> None:
    url = url_of(sympozium_cluster)
    link = sign_in_link(url, admin_token(sympozium_cluster))
    with browser.new_context() as context:
        first = Person(context.new_page(), url)
        first.page.goto(link)
        first.heading("Overview")
        assert "ticket" not in first.page.url
        first.page.go_back()
        assert "ticket" not in first.page.url
        first.check()
    with browser.new_context() as context:
        second = Person(context.new_page(), url)
        second.allow("401")
        second.page.goto(link)
        second.heading("Sign in")
        expect(second.page.get_by_role("alert")).to_contain_text("link")
        second.check()


def test_the_first_load_is_small_and_from_here_alone(browser: Browser, sympozium_cluster: Cluster) -> None:
    url = url_of(sympozium_cluster)
    with browser.new_context() as context:
        someone = Person(context.new_page(), url)
        sizes: dict[str, int] = {}
        session = context.new_cdp_session(someone.page)
        session.send("Network.enable")
        names: dict[str, str] = {}
        session.on("Network.requestWillBeSent", lambda e: names.update({e["requestId"]: e["request"]["url"]}))
        session.on(
            "Network.loadingFinished", lambda e: sizes.update({names[e["requestId"]]: e["encodedDataLength"]})
        )
        someone.page.goto(sign_in_link(url, admin_token(sympozium_cluster)))
        someone.heading("Overview")
        someone.page.wait_for_load_state("load")
        files = {name: size for name, size in sizes.items() if "/api/" not in name}
        assert any(name.endswith(".js") for name in files), files
        assert sum(files.values()) < BUDGET, files
        someone.check()


def test_keys_lead_everywhere(person: Person) -> None:
    page = person.page
    page.keyboard.press("g")
    page.keyboard.press("r")
    person.heading("Runs")
    page.keyboard.press("/")
    expect(page.get_by_label("Search runs")).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_contain_text("go to anything")
    person.accessible("help")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("Control+k")
    page.get_by_role("combobox", name="Go to").fill("overv")
    expect(page.get_by_role("dialog").get_by_role("option")).to_have_count(1)
    person.accessible("palette")
    page.keyboard.press("Enter")
    person.heading("Overview")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Skip to the page")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()


def test_a_theme_that_was_chosen_stays(person: Person) -> None:
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    page = person.page
    light = page.evaluate(ground)
    page.keyboard.press("t")
    page.keyboard.press("t")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    # Colours may take a moment to turn.
    page.wait_for_function(f"before => {ground} !== before", arg=light)
    page.wait_for_function("() => document.getAnimations().length === 0")
    dark = page.evaluate(ground)
    page.reload()
    person.heading("Overview")
    page.wait_for_function(f"wanted => {ground} === wanted", arg=dark)
    page.keyboard.press("t")
    page.wait_for_function(f"wanted => {ground} === wanted", arg=light)


def test_a_phone_has_the_navigation_in_a_drawer(person: Person) -> None:
    page = person.page
    page.set_viewport_size(PHONE)
    expect(page.get_by_role("link", name="Runs", exact=True)).not_to_be_visible()
    page.get_by_role("button", name="Open the navigation").click()
    page.get_by_role("link", name="Runs", exact=True).click()
    person.heading("Runs")
    expect(page.get_by_role("link", name="Runs", exact=True)).not_to_be_visible()
    person.accessible("phone")
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= PHONE["width"], "nothing is wider than the screen"


def test_an_address_that_is_no_page_says_so(person: Person) -> None:
    person.go("/nowhere")
    expect(person.page.get_by_role("main")).to_contain_text("There is no such page")
    person.accessible("nowhere")
    person.page.get_by_role("link", name="To the overview").click()
    person.heading(re.compile("Overview"))
