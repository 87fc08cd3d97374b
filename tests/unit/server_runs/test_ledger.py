"""The ledger of usage, on files."""

import sqlite3
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from sympozium.server.runs import usage
from sympozium.server.runs.batches import StartOverError
from sympozium.server.runs.index import MOST
from sympozium.server.runs.ledger import DELETED, FILE, Ledger, as_deleted, has_ended
from sympozium.server.runs.prices import Prices
from sympozium.server.runs.query import Query
from unit.server_runs.making import BEGAN, index, run

PRICES = Prices.of(
    {
        "spec": {
            "prices": {
                "currency": "EUR",
                "models": [{"model": "small", "inputPerMillion": "1", "outputPerMillion": "2"}],
            }
        }
    }
)


def ended(name: str, namespace: str = "team", **more: Any) -> dict[str, Any]:
    return run(name, namespace, **{"seconds": 60, "tokens": (100, 10), **more})


def rows(
    ledger: Ledger, *by: Any, prices: Prices = PRICES, **query: Any
) -> dict[tuple[str | None, ...], Any]:
    found = usage.figures(ledger.sums(by, **query), prices)
    return {keys: (row.runs, row.input, row.output) for keys, row in found.rows.items()}


def test_sums_by_one_and_two_dimensions(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.write(
        [
            ended("a", labels={"sympozium.ai/pack": "platform", "sympozium.ai/persona": "guard"}),
            ended("b", phase="Failed", model="big", spec={"trigger": {"kind": "Manual", "user": "alice"}}),
            ended("c", "other", age=86400, instance="writer"),
        ]
    )
    assert rows(ledger, "day") == {("2026-11-26",): (1, 100, 10), ("2026-11-27",): (2, 200, 20)}
    assert rows(ledger, "pack") == {(None,): (2, 200, 20), ("platform",): (1, 100, 10)}
    assert rows(ledger, "namespace", "model") == {
        ("other", "small"): (1, 100, 10), ("team", "big"): (1, 100, 10), ("team", "small"): (1, 100, 10),
    }  # fmt: skip
    assert rows(ledger, "user", "instance") == {
        (None, "sre"): (1, 100, 10), (None, "writer"): (1, 100, 10), ("alice", "sre"): (1, 100, 10),
    }  # fmt: skip
    assert rows(ledger, "persona", namespaces=["team"]) == {(None,): (1, 100, 10), ("guard",): (1, 100, 10)}
    assert rows(ledger, "day", namespaces=[]) == {}
    assert sorted(ledger.namespaces()) == ["other", "team"]
    end = int(BEGAN.timestamp() * 1000) + 60_000
    assert rows(ledger, since=end) == {(): (2, 200, 20)}
    assert rows(ledger, until=end) == {(): (1, 100, 10)}


def test_a_model_without_a_price_is_named_and_not_counted_as_nought() -> None:
    ledger = Ledger(None)
    ledger.write([ended("a"), ended("b", model="big"), ended("c", model="unused", tokens=(0, 0))])
    found = usage.figures(ledger.sums(["pack"]), PRICES)
    assert found.unpriced == {"big"}
    assert found.totals.shown(PRICES).cost == "0.00012"
    only = usage.figures([s for s in ledger.sums(["model"]) if s.model == "big"], PRICES)
    assert only.totals.shown(PRICES).cost is None


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["x", "y"]), st.integers(0, 1000)), max_size=20)
)
@settings(max_examples=40, deadline=None)
def test_the_rows_add_up_to_the_totals(runs: list[tuple[str, str, int]]) -> None:
    ledger = Ledger(None)
    made = [
        ended(f"r{n}", instance=instance, model=model, tokens=(tokens, tokens * 2))
        for n, (instance, model, tokens) in enumerate(runs)
    ]
    ledger.write(made)
    ledger.write(made)
    for by in (["instance"], ["instance", "day"], ["model"], []):
        found = usage.figures(ledger.sums(by), PRICES)  # type: ignore[arg-type]
        assert found.totals.runs == len(runs) == sum(row.runs for row in found.rows.values())
        assert found.totals.input == sum(tokens for *_, tokens in runs)
        assert found.totals.cost == sum(row.cost for row in found.rows.values())
    ledger.close()


def test_a_row_is_written_once_and_stays(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.write([ended("a", tokens=(1, 1))])
    ledger.write([ended("a", tokens=(2, 2))])
    ledger.close()
    again = Ledger(tmp_path)
    assert again.note is None
    assert rows(again) == {(): (1, 2, 2)}
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


def test_a_run_that_is_deleted_before_it_ends_has_used_what_it_used() -> None:
    started = run("a", phase="Running", tokens=(5, 5), startedAt="2026-11-27T10:00:00Z")
    assert not has_ended(started)
    deleted = as_deleted(started)
    assert has_ended(deleted)
    assert deleted["status"]["phase"] == DELETED
    assert as_deleted(ended("b"))["status"]["phase"] == "Succeeded"
    ledger = Ledger(None)
    ledger.write([deleted])
    (found,) = ledger.sums([])
    assert (found.runs, found.succeeded, found.failed, found.input) == (1, 0, 0, 5)


@pytest.mark.parametrize("cut", [False, True])
def test_a_damaged_file_is_put_aside_and_said(tmp_path: Path, cut: bool) -> None:
    content = b"this is no database, and it is long enough to be read as one" * 40
    if cut:
        whole = Ledger(tmp_path)
        whole.write(ended(f"r{n}") for n in range(500))
        whole.close()
        content = (tmp_path / FILE).read_bytes()[:20_000]
    (tmp_path / FILE).write_bytes(content)
    ledger = Ledger(tmp_path)
    assert ledger.note
    assert "was damaged" in ledger.note
    (aside,) = tmp_path.glob("usage.db.damaged-*")
    assert str(aside) in ledger.note
    assert aside.read_bytes() == content
    ledger.write([ended("a")])
    assert rows(ledger) == {(): (1, 100, 10)}


def test_a_file_of_another_version_is_put_aside(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / FILE) as other:
        other.execute("PRAGMA user_version = 7")
    other.close()
    assert "it is of version 7" in (Ledger(tmp_path).note or "")


def test_damage_that_is_found_later_starts_over(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.write(ended(f"r{n}", task="x" * 100) for n in range(2000))
    ledger._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    ledger.close()
    ledger = Ledger(tmp_path)
    with (tmp_path / FILE).open("r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * 100_000)
    ledger._db.execute("PRAGMA shrink_memory")  # what it has read already is read again
    with pytest.raises(StartOverError):
        ledger.sums(["day"])
    assert "was damaged" in (ledger.note or "")
    ledger.write([ended("a")])
    assert rows(ledger) == {(): (1, 100, 10)}


def test_a_directory_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "absent")
    assert "cannot be opened" in (ledger.note or "")
    ledger.write([ended("a")])
    assert rows(ledger) == {(): (1, 100, 10)}


def test_in_memory_it_says_so() -> None:
    assert "in memory" in (Ledger(None).note or "")


def test_a_crash_in_the_midst_of_making_it_leaves_nothing_half_done(tmp_path: Path) -> None:
    half = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    half.execute("PRAGMA journal_mode = WAL")
    half.execute("BEGIN")
    half.execute("CREATE TABLE runs (uid TEXT)")
    half.close()  # as a crash: what was not committed is not there
    ledger = Ledger(tmp_path)
    assert ledger.note is None
    ledger.write([ended("a")])


def test_numbers_that_no_honest_model_says_break_nobodys_sums() -> None:
    ledger = Ledger(None)
    ledger.write(
        [ended("a", tokens=(2**62, 2**70)), ended("b", tokens=(2**62, 2**70)), ended("c", tokens=(1, 1))]
    )
    assert rows(ledger) == {(): (3, 2 * MOST + 1, 2 * MOST + 1)}
    assert (
        index(run("a", tokens=(2**70, 2**70), tokenUsage={"inputTokens": 2**70, "durationMs": 2**70}))
        .page(Query())
        .total
        == 1
    )


def test_a_run_that_is_not_what_it_should_be_keeps_no_other_out(caplog: pytest.LogCaptureFixture) -> None:
    ledger = Ledger(None)
    ledger.write([ended("odd", seconds=None, startedAt="now", completedAt="then"), ended("a")])
    assert rows(ledger) == {(): (1, 100, 10)}
    assert "agentrun team/odd is not counted" in caplog.text


def test_a_disk_that_is_full_is_said_while_it_is(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.write([ended("a")])
    (pages,) = ledger._db.execute("PRAGMA page_count").fetchone()
    ledger._db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(sqlite3.OperationalError):
        ledger.write([ended(f"run-{number}-{'x' * 200}") for number in range(200)])
    assert "cannot be written (database or disk is full)" in (ledger.behind or "")
    assert rows(ledger) == {(): (1, 100, 10)}
    ledger._db.execute("PRAGMA max_page_count = 100000")
    ledger.write([ended("b")])
    assert ledger.behind is None
