"""The browser, and a person who is signed in as the administrator of the session's control plane."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from browser.harness import DESKTOP, Person, admin_token, chromium, sign_in_link, url_of
from sympozium.testing import Cluster


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def person(browser: Browser, sympozium_cluster: Cluster) -> Iterator[Person]:
    """Signed in, on the overview; what the browser complained of fails the test at its end."""
    url = url_of(sympozium_cluster)
    with browser.new_context(viewport=DESKTOP, color_scheme="light", reduced_motion="reduce") as context:
        someone = Person(context.new_page(), url)
        someone.page.goto(sign_in_link(url, admin_token(sympozium_cluster)))
        someone.heading("Overview")
        yield someone
        someone.check()
