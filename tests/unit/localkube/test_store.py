"""The store: revisions, compare-and-swap, history, compaction, restart."""

import asyncio
import sqlite3

import pytest

from sympozium.localkube.store import (
    CompactedError,
    ExistsError,
    MissingError,
    StaleError,
    Store,
    StoreError,
    UnwritableError,
)

CM = "/configmaps"


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "state.db")
    yield made
    made.close()


def obj(name, **data):
    return {
        "kind": "ConfigMap",
        "apiVersion": "v1",
        "metadata": {"name": name, "namespace": "n"},
        "data": data,
    }


def names(entries):
    return [entry.name for entry in entries]


async def seen(watcher, count):
    """The next `count` changes as (type, name, revision)."""
    found = []
    while len(found) < count:
        batch = await watcher.batch(5.0)
        assert batch, f"the watch gave {len(found)} of {count} changes"
        found += [(change.type, change.entry.name, change.rev) for change in batch]
    return found


async def test_revision_is_in_the_object_and_rises_by_one_over_all_buckets(store):
    first = await store.create(CM, "n", "a", obj("a"))
    second = await store.create("/secrets", "n", "b", obj("b"))
    assert second.rev == first.rev + 1
    assert store.get(CM, "n", "a").object["metadata"]["resourceVersion"] == str(first.rev)
    assert store.revision == second.rev


async def test_create_refuses_a_name_that_is_taken(store):
    await store.create(CM, "n", "a", obj("a"))
    with pytest.raises(ExistsError):
        await store.create(CM, "n", "a", obj("a"))


async def test_of_writers_of_one_turn_that_read_the_same_state_one_wins(store):
    entry = await store.create(CM, "n", "a", obj("a"))
    outcomes = await asyncio.gather(
        *(store.update(CM, "n", "a", obj("a", i=str(i)), expect=entry.rev) for i in range(8)),
        return_exceptions=True,
    )
    lost = [outcome for outcome in outcomes if isinstance(outcome, StaleError)]
    assert len(lost) == 7
    assert store.revision == entry.rev + 1


async def test_creates_of_one_turn_share_a_commit_and_one_wins_each_name(store):
    outcomes = await asyncio.gather(
        *(store.create(CM, "n", f"x{i % 10}", obj(f"x{i % 10}")) for i in range(30)), return_exceptions=True
    )
    assert sum(isinstance(outcome, ExistsError) for outcome in outcomes) == 20
    assert names(store.scan(CM)) == [f"x{i}" for i in range(10)]


async def test_update_and_delete_of_what_is_not_there(store):
    with pytest.raises(MissingError):
        await store.update(CM, "n", "a", obj("a"), expect=1)
    with pytest.raises(MissingError):
        await store.delete(CM, "n", "a", expect=1)


async def test_nothing_is_visible_before_the_commit(store):
    watcher = store.watch(CM, store.revision)
    write = asyncio.ensure_future(store.create(CM, "n", "a", obj("a")))
    await asyncio.sleep(0)  # the write is inserted now, its commit comes in the next turn
    assert store._db.in_transaction
    assert store.get(CM, "n", "a") is None
    assert not watcher.pending
    await write
    assert not store._db.in_transaction
    assert store.get(CM, "n", "a") is not None
    assert watcher.pending
    watcher.close()


async def test_list_is_in_order_of_namespace_and_name(store):
    for namespace, name in (("b", "x"), ("a", "z"), ("a", "y"), ("ab", "c")):
        await store.create(CM, namespace, name, obj(name))
    assert [(entry.namespace, entry.name) for entry in store.scan(CM)] == [
        ("a", "y"),
        ("a", "z"),
        ("ab", "c"),
        ("b", "x"),
    ]
    assert names(store.scan(CM, "a")) == ["y", "z"]
    assert names(store.scan(CM, "a", after=("a", "y"))) == ["z"]
    assert store.count(CM) == 4
    assert store.count(CM, "a") == 2
    assert store.count(CM, "a", after=("a", "y")) == 1


async def test_list_at_an_old_revision(store):
    await store.create(CM, "n", "a", obj("a", v="1"))
    b = await store.create(CM, "n", "b", obj("b"))
    at = store.revision
    await store.update(CM, "n", "a", obj("a", v="2"), expect=b.rev - 1)
    await store.delete(CM, "n", "b", expect=b.rev)
    await store.create(CM, "n", "c", obj("c"))
    then = list(store.scan_at(CM, at))
    assert names(then) == ["a", "b"]
    assert then[0].object["data"] == {"v": "1"}
    assert names(store.scan_at(CM, at, "n", after=("n", "a"))) == ["b"]
    assert names(store.scan_at(CM, store.revision)) == ["a", "c"]


async def test_watch_replays_history_then_goes_on_without_a_gap(store):
    first = await store.create(CM, "n", "a", obj("a"))
    watcher = store.watch(CM, first.rev - 1)
    second = await store.update(CM, "n", "a", obj("a", x="1"), expect=first.rev)
    third = await store.delete(CM, "n", "a", expect=second.rev)
    assert await seen(watcher, 3) == [
        ("ADDED", "a", first.rev),
        ("MODIFIED", "a", second.rev),
        ("DELETED", "a", third.rev),
    ]
    watcher.close()


async def test_history_of_a_watch_has_the_state_before(store):
    first = await store.create(CM, "n", "a", obj("a", v="1"))
    second = await store.update(CM, "n", "a", obj("a", v="2"), expect=first.rev)
    await store.delete(CM, "n", "a", expect=second.rev)
    watcher = store.watch(CM, first.rev)
    changed, deleted = await watcher.batch(1.0)
    assert changed.old.object["data"] == {"v": "1"}
    assert deleted.old.object["data"] == {"v": "2"}
    assert deleted.entry.object["data"] == {"v": "2"}
    assert deleted.entry.object["metadata"]["resourceVersion"] == str(deleted.rev)
    watcher.close()


async def test_watch_of_one_namespace(store):
    watcher = store.watch(CM, store.revision, "a")
    await store.create(CM, "b", "x", obj("x"))
    entry = await store.create(CM, "a", "y", obj("y"))
    assert await seen(watcher, 1) == [("ADDED", "y", entry.rev)]
    watcher.close()


async def test_a_watcher_that_does_not_read_is_ended_and_has_no_gap(store, monkeypatch):
    monkeypatch.setattr("sympozium.localkube.feed.QUEUE_LIMIT", 3)
    watcher = store.watch(CM, store.revision)
    for index in range(5):
        await store.create(CM, "n", f"x{index}", obj("x"))
    assert watcher.overflowed
    assert watcher.closed
    assert await watcher.batch(0) == []


async def test_batch_gives_nothing_after_its_time_and_at_once_when_closed(store):
    watcher = store.watch(CM, store.revision)
    assert await watcher.batch(0.0) == []
    reading = asyncio.ensure_future(watcher.batch(60.0))
    await asyncio.sleep(0)
    watcher.close()
    assert await reading == []
    assert store.watcher_count in {0, 1}
    await asyncio.sleep(0)
    assert store.watcher_count == 0


async def test_compaction_keeps_the_latest_and_what_is_after(store):
    rev = (await store.create(CM, "n", "a", obj("a", v="0"))).rev
    for value in range(1, 4):
        rev = (await store.update(CM, "n", "a", obj("a", v=str(value)), expect=rev)).rev
    gone = await store.create(CM, "n", "b", obj("b"))
    await store.delete(CM, "n", "b", expect=gone.rev)
    at = store.revision
    later = await store.update(CM, "n", "a", obj("a", v="9"), expect=rev)
    await store.compact(at)
    assert store.oldest == at
    with pytest.raises(CompactedError):
        store.watch(CM, at - 1)
    with pytest.raises(CompactedError):
        store.scan_at(CM, at - 1)
    watcher = store.watch(CM, at)
    (change,) = await watcher.batch(1.0)
    assert (change.rev, change.old.object["data"]) == (later.rev, {"v": "3"})
    assert [entry.object["data"] for entry in store.scan_at(CM, at)] == [{"v": "3"}]
    watcher.close()


async def test_compaction_by_time_forgets_only_what_is_old(store):
    await store.compact_by_time(now=0.0)
    first = await store.create(CM, "n", "a", obj("a"))
    await store.compact_by_time(now=100.0)
    await store.update(CM, "n", "a", obj("a", v="1"), expect=first.rev)
    assert await store.compact_by_time(keep=600.0, now=650.0) == 1
    assert await store.compact_by_time(keep=600.0, now=701.0) == first.rev


async def test_everything_is_there_after_a_restart(tmp_path):
    store = Store(tmp_path / "state.db")
    first = await store.create(CM, "n", "a", obj("a", v="1"))
    second = await store.update(CM, "n", "a", obj("a", v="2"), expect=first.rev)
    gone = await store.create(CM, "n", "b", obj("b"))
    last = await store.delete(CM, "n", "b", expect=gone.rev)
    store.close()
    again = Store(tmp_path / "state.db")
    assert names(again.scan(CM)) == ["a"]
    assert again.get(CM, "n", "a").object["data"] == {"v": "2"}
    assert again.revision == last.rev
    watcher = again.watch(CM, first.rev)
    assert await seen(watcher, 3) == [
        ("MODIFIED", "a", second.rev),
        ("ADDED", "b", gone.rev),
        ("DELETED", "b", last.rev),
    ]
    watcher.close()
    again.close()


async def test_revision_never_goes_back_when_the_last_object_was_deleted_and_compacted(tmp_path):
    store = Store(tmp_path / "state.db")
    entry = await store.create(CM, "n", "a", obj("a"))
    last = await store.delete(CM, "n", "a", expect=entry.rev)
    await store.compact(last.rev)
    store.close()
    again = Store(tmp_path / "state.db")
    assert again.revision == last.rev
    assert again.oldest == last.rev
    again.close()


async def test_an_empty_store_does_not_begin_at_zero(store):
    assert store.revision == 1


async def test_one_process_at_a_time(tmp_path):
    store = Store(tmp_path / "state.db")
    with pytest.raises(StoreError, match="another localkube"):
        Store(tmp_path / "state.db")
    store.close()


async def test_a_failed_commit_fails_its_writers_and_leaves_nothing(store):
    class Broken:
        def __init__(self, db):
            self._db = db
            self.in_transaction = True

        def execute(self, sql, *args):
            if sql == "COMMIT":
                raise sqlite3.OperationalError("disk I/O error")
            return self._db.execute(sql, *args)

        def close(self):
            self._db.close()

    db, before = store._db, store.revision
    store._db = Broken(db)
    with pytest.raises(UnwritableError, match="disk I/O error"):
        await store.create(CM, "n", "a", obj("a"))
    store._db = db
    assert store.get(CM, "n", "a") is None
    assert (await store.create(CM, "n", "a", obj("a"))).rev == before + 1


async def test_waiting_for_a_revision(store):
    waiting = asyncio.ensure_future(store.reached(store.revision + 1, 5.0))
    await asyncio.sleep(0)
    await store.create(CM, "n", "a", obj("a"))
    assert await waiting is True
    assert await store.reached(store.revision + 1, 0.0) is False


async def test_listeners_hear_before_the_writer_does(store):
    heard = []
    store.subscribe(CM, lambda change: heard.append((change.type, change.entry.name)))
    entry = await store.create(CM, "n", "a", obj("a"))
    assert heard == [("ADDED", "a")]
    await store.delete(CM, "n", "a", expect=entry.rev)
    assert heard[-1] == ("DELETED", "a")


async def test_nobody_else_can_read_what_is_stored(tmp_path) -> None:
    """Secrets are in it, and the directory above may be traversed by the users of pods."""
    path = tmp_path / "state.db"
    path.touch(mode=0o644)
    store = Store(path)
    await store.create(CM, "n", "a", obj("a"))
    modes = {file.name: file.stat().st_mode & 0o077 for file in tmp_path.iterdir()}
    store.close()
    assert modes["state.db-wal"] == 0
    assert set(modes.values()) == {0}
