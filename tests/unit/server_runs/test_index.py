"""The index of runs, on values."""

from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from sympozium.server.runs.index import Index, Page
from sympozium.server.runs.query import CursorError, Query
from unit.server_runs.making import BEGAN, add, index, run


def names(page: Page) -> list[str]:
    return [hit.key[1] for hit in page.hits]


def found(made: Index, **query: Any) -> list[str]:
    return names(made.page(Query(**query)))


def test_the_newest_come_first_and_a_namesake_replaces() -> None:
    made = index(run("old", age=60), run("new"), run("older", age=90))
    assert found(made) == ["new", "old", "older"]
    assert found(made, sort="created") == ["older", "old", "new"]
    add(made, run("older", age=10, phase="Running"))
    assert found(made) == ["new", "older", "old"]
    made.update([], [("team", "new"), ("team", "never-there")])
    assert found(made) == ["older", "old"]


def test_what_is_filtered_by() -> None:
    made = index(
        run("a", phase="Failed", instance="sre", labels={"sympozium.ai/pack": "platform", "sympozium.ai/persona": "guard"}),
        run("b", phase="Running", instance="writer", labels={"sympozium.ai/schedule": "nightly"}, age=60),
        run("c", "other", phase="Failed", age=120, spec={"trigger": {"kind": "Schedule", "name": "nightly"}}),
    )  # fmt: skip
    assert found(made, phases=["Failed"]) == ["a", "c"]
    assert found(made, phases=["Failed", "Running"]) == ["a", "b", "c"]
    assert found(made, instance="writer") == ["b"]
    assert found(made, pack="platform") == ["a"]
    assert found(made, persona="guard") == ["a"]
    assert found(made, schedule="nightly") == ["b"]
    assert found(made, trigger="Schedule") == found(made, trigger="nightly") == ["c"]
    assert found(made, namespaces={"other"}) == ["c"]
    assert found(made, namespaces=frozenset()) == []
    now = int(BEGAN.timestamp() * 1000)
    assert found(made, since=now - 60_000) == ["a", "b"]
    assert found(made, until=now - 60_000) == ["c"]
    assert found(made, phases=["Failed"], instance="sre", namespaces={"team"}) == ["a"]


def test_the_order_by_what_a_run_used() -> None:
    made = index(
        run("long", seconds=500, tokens=(10, 10)),
        run("short", seconds=5, tokens=(100, 1), model="dear"),
        run("goes-on", phase="Running", tokens=(50, 0), model="unpriced"),
    )
    made.price({"small": (0.001, 0.001), "dear": (1.0, 1.0)})
    assert found(made, sort="-duration") == ["long", "short", "goes-on"]
    assert found(made, sort="-tokens") == ["short", "goes-on", "long"]
    assert found(made, sort="-cost") == ["short", "long", "goes-on"]
    assert sorted(made.models()) == ["dear", "small", "unpriced"]


def test_a_facet_counts_as_if_it_were_not_filtered_by() -> None:
    made = index(
        run("a", phase="Failed", instance="sre"), run("b", phase="Running", instance="sre"),
        run("c", phase="Failed", instance="writer", labels={"sympozium.ai/pack": "p"}), run("d", "other", phase="Failed"),
    )  # fmt: skip
    page = made.page(Query(namespaces={"team"}, phases=["Failed"], instance="sre"))
    assert names(page) == ["a"]
    assert page.total == 1
    assert page.facets == {
        "phase": {"Failed": 1, "Running": 1},
        "instance": {"sre": 1, "writer": 1},
        "pack": {},
    }
    assert made.page(Query()).facets["pack"] == {"p": 1}
    assert made.phases(None) == {"Failed": 3, "Running": 1}
    assert made.phases(["other"]) == {"Failed": 1}


def test_other_namespaces_are_in_no_number() -> None:
    made = index(run("mine", "team"), *(run(f"theirs-{n}", "other", task="secret") for n in range(5)))
    page = made.page(Query(namespaces={"team"}, limit=1))
    assert (page.total, page.cursor) == (1, None)
    assert sum(page.facets["instance"].values()) == 1
    assert made.page(Query(namespaces={"team"}, words="secret")).total == 0


def test_the_most_frequent_values_of_a_facet_are_counted() -> None:
    made = index(*(run(f"r{n}", instance=f"i{n}") for n in range(101)), run("twice", instance="i7"))
    counted = made.page(Query()).facets["instance"]
    assert len(counted) == 100
    assert next(iter(counted.items())) == ("i7", 2)


@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=30),
    st.integers(1, 7),
    st.sampled_from(["-created", "created", "-duration", "-tokens", "-cost"]),
    st.lists(st.integers(0, 5), max_size=10),
)
@settings(max_examples=30, deadline=None)
def test_pages_show_each_run_once_while_runs_are_created(
    ages: list[int], limit: int, sort: Any, created: list[int]
) -> None:
    there = [run(f"r{n}", age=age, seconds=age, tokens=(age, 0)) for n, age in enumerate(ages)]
    made = index(*there)
    made.price({"small": (1.0, 1.0)})
    whole = found(made, sort=sort, limit=200)
    shown: list[str] = []
    cursor = ""
    while True:
        page = made.page(Query(sort=sort, limit=limit, cursor=cursor))
        shown += names(page)
        if page.cursor is None:
            break
        cursor = page.cursor
        if created:
            add(made, run(f"new{len(created)}", age=created.pop()))
    assert [name for name in shown if name.startswith("r")] == whole
    assert len(set(shown)) == len(shown)


def test_a_cursor_ends_with_the_last_page() -> None:
    made = index(run("a"), run("b"))
    assert made.page(Query(limit=2)).cursor is None
    assert made.page(Query(limit=1)).cursor is not None


@pytest.mark.parametrize("cursor", ["x", "####", "bnVsbA", "WyIiLDEsInUiXQ", "WyItY3JlYXRlZCIsInYiLCJ1Il0",
                                    "WyItY3JlYXRlZCIsMWU0MDAsInUiXQ", "WyItY3JlYXRlZCIsTmFOLCJ1Il0", "é"])  # fmt: skip
def test_what_is_no_cursor_of_this_list_is_refused(cursor: str) -> None:
    with pytest.raises(CursorError):
        index(run("a")).page(Query(cursor=cursor))


def test_a_cursor_of_another_order_is_refused() -> None:
    made = index(run("a"), run("b"))
    cursor = made.page(Query(limit=1)).cursor
    assert cursor
    with pytest.raises(CursorError, match="sort=-tokens"):
        made.page(Query(sort="-tokens", cursor=cursor))
