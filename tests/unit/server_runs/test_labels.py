"""Label selectors mean what they mean to Kubernetes."""

import subprocess
import sys

import pytest
from hypothesis import given, strategies as st

from sympozium.localkube import selectors
from sympozium.server.runs.query import Query
from unit.server_runs.making import add, index, run

KEYS = ["app", "team", "sympozium.ai/pack", "a.b-c_d"]
VALUES = ["", "a", "b", "v1.2", "x_y"]
MADE = index()


def terms() -> st.SearchStrategy[str]:
    key, value = st.sampled_from(KEYS), st.sampled_from(VALUES)
    some = st.lists(value, min_size=1, max_size=3).map(",".join)
    return st.one_of(
        st.builds("{}={}".format, key, value), st.builds("{} == {}".format, key, value),
        st.builds("{}!={}".format, key, value), st.builds("{} in ({})".format, key, some),
        st.builds("{} notin ({})".format, key, some), key, st.builds("!{}".format, key),
    )  # fmt: skip


@given(
    st.lists(terms(), min_size=1, max_size=3).map(",".join),
    st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES)),
)
def test_it_selects_what_the_api_selects(selector: str, labels: dict[str, str]) -> None:
    expected = selectors.parse_labels(selector).matches({"metadata": {"labels": labels}})
    add(MADE, run("r", labels=labels))
    assert MADE.page(Query(labels=selector)).total == int(expected)


@pytest.mark.parametrize(
    "selector", ["a b", "=x", "a in b", "a in (", "a=b c", "'a'=b", 'a"=b', "a=b,,c", "!", "a=$.x"]
)
def test_what_cannot_be_read_is_refused_with_its_place(selector: str) -> None:
    with pytest.raises(ValueError, match="no part of a label selector"):
        index(run("r")).page(Query(labels=selector))


def test_no_selector_takes_exponential_time() -> None:
    """In a process of its own, since a pattern that is being matched cannot be interrupted."""
    selector = "a in (" + ",          " * 80 + "!"
    code = f"from sympozium.server.runs.labels import condition; condition({selector!r})"
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=60
    )
    assert "no part of a label selector" in done.stderr
