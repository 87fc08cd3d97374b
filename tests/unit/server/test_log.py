"""The newest messages of a run within a bound, and where all of them are."""

from hypothesis import given, strategies as st

from sympozium.server.feed.log import Entry, Log

PLACES = st.lists(st.integers(1, 2**60), unique=True, max_size=40).map(sorted)


def of(places: list[int], *, kept: int = 1000, size: int = 10) -> Log:
    log = Log(kept)
    for place in places:
        log.add(Entry(place, b"x" * size))
    return log


def places(entries: list[Entry] | None) -> list[int]:
    assert entries is not None
    return [entry.place for entry in entries]


def test_an_empty_log_has_nothing_after_any_place() -> None:
    log = Log()
    assert (log.head, log.floor, len(log)) == (0, 0, 0)
    assert log.after(0, 100) == []
    assert log.after(7, 100) == []
    assert not log.shows(0)


def test_what_is_let_go_is_the_oldest_and_is_known_to_have_been() -> None:
    log = of([2, 5, 9], kept=20)
    assert log.floor == 2
    assert log.after(1, 100) is None
    assert places(log.after(2, 100)) == [5, 9]
    assert len(log) == 3
    assert log.shows(2)


def test_one_entry_is_kept_and_given_however_large_it_is() -> None:
    log = of([3, 4], kept=5, size=100)
    assert log.floor == 3
    assert places(log.after(3, 1)) == [4]


def test_a_chunk_ends_with_the_entry_that_fills_it() -> None:
    log = of([1, 2, 3, 4])
    assert places(log.after(0, 10)) == [1]
    assert places(log.after(0, 11)) == [1, 2]
    assert places(log.after(1, 1000)) == [2, 3, 4]


@given(PLACES, st.integers(0, 2**60), st.integers(0, 300))
def test_after_is_what_comes_after_or_says_that_it_is_not_kept(
    all_places: list[int], place: int, kept: int
) -> None:
    log = of(all_places, kept=kept)
    found = log.after(place, 10**6)
    later = [p for p in all_places if p > place]
    if found is None:
        assert place < log.floor
        assert log.floor in all_places
    else:
        assert places(found) == later
    assert log.head == (all_places[-1] if all_places else 0)
    assert [p for p in {*all_places, place} if log.shows(p)] == [
        p for p in {*all_places, place} if p in all_places
    ]
