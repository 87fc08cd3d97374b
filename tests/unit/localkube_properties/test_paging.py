"""Any sequence of writes, and then pages: together they are the list of the moment in which the first was asked."""

import asyncio

from hypothesis import given, strategies as st

from sympozium.localkube.handlers.listing import decode_token, encode_token
from sympozium.localkube.routes import Target
from sympozium.localkube.store import Store

BUCKET = "things"
KEYS = st.tuples(st.sampled_from(["a", "ab", "b"]), st.sampled_from(["x", "x-y", "xy", "z", "z.1"]))
WRITES = st.lists(KEYS, max_size=25)
"""Each makes the object of its key, or changes it, or (every third time) takes it away."""


async def write(store, model, counts, key):
    entry = store.get(BUCKET, *key)
    counts[key] = counts.get(key, 0) + 1
    obj = {"metadata": {"namespace": key[0], "name": key[1]}, "n": counts[key]}
    if entry is None:
        made = await store.create(BUCKET, *key, obj)
        model[key] = made.rev
    elif counts[key] % 3 == 0:
        await store.delete(BUCKET, *key, expect=entry.rev)
        del model[key]
    else:
        made = await store.update(BUCKET, *key, obj, expect=entry.rev)
        model[key] = made.rev


async def pages(store, target, snapshot, size, between):
    """What a client gets that asks for `size` at a time, while others write."""
    found, after = [], None
    while True:
        page = list(store.scan_at(BUCKET, snapshot, target.namespace, after=after))[:size]
        found += [((entry.namespace, entry.name), entry.rev) for entry in page]
        if len(page) < size:
            return found
        last = (page[-1].namespace, page[-1].name)
        rev, after = decode_token(encode_token(snapshot, last, target), target)
        assert (rev, after) == (snapshot, last)
        if between:
            await between.pop(0)()


@given(WRITES, WRITES, st.integers(1, 4), st.sampled_from([None, "a", "ab", "b"]))
def test_pages_are_one_snapshot_whatever_is_written_meanwhile(before, meanwhile, size, namespace):
    async def run():
        store, model, counts = Store(":memory:"), {}, {}
        for key in before:
            await write(store, model, counts, key)
        expected = sorted((key, rev) for key, rev in model.items() if namespace in {None, key[0]})
        later = [lambda key=key: write(store, model, counts, key) for key in meanwhile]
        target = Target(verb="list", group="", version="v1", plural=BUCKET, namespace=namespace)
        found = await pages(store, target, store.revision, size, later)
        assert found == expected
        store.close()

    asyncio.run(run())


@given(WRITES, st.data())
def test_history_from_any_revision_leads_to_the_present(writes, data):
    async def run():
        store, model, counts = Store(":memory:"), {}, {}
        states = {store.revision: {}}
        for key in writes:
            await write(store, model, counts, key)
            states[store.revision] = dict(model)
        since = data.draw(st.sampled_from(sorted(states)))
        compacted = data.draw(st.sampled_from([rev for rev in sorted(states) if rev <= since]))
        await store.compact(compacted)
        state = {(e.namespace, e.name): e.rev for e in store.scan_at(BUCKET, since)}
        assert state == states[since]
        watcher = store.watch(BUCKET, since)
        for change in await watcher.batch(0):
            key = (change.entry.namespace, change.entry.name)
            assert (change.type == "ADDED") == (key not in state)
            if change.type == "DELETED":
                del state[key]
            else:
                state[key] = change.rev
        assert state == model
        watcher.close()
        store.close()

    asyncio.run(run())
