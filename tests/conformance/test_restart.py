"""Crashes, restarts and shutdown."""

import threading

import pytest

from conformance.conftest import Server

CMS = "/api/v1/namespaces/default/configmaps"


@pytest.fixture
def own(tmp_path):
    """A server of the test's own."""
    made = Server(tmp_path / "data")
    made.start()
    yield made
    made.stop()


def test_a_kill_in_the_middle_of_writes_loses_nothing_that_was_answered(own):
    api = own.api("admin-token")
    enough, answered = threading.Event(), []

    def write():
        index = 0
        while True:
            try:
                answer = api.post(CMS, {"metadata": {"name": f"w{index}"}, "data": {"i": str(index)}})
            except OSError:
                return
            except Exception:  # whatever a cut connection looks like to http.client
                return
            assert answer.status == 201
            answered.append(answer.json["metadata"])
            if len(answered) >= 50:
                enough.set()
            index += 1

    writer = threading.Thread(target=write)
    writer.start()
    assert enough.wait(30)
    url = own.url
    own.kill()
    writer.join(30)
    own.start()
    assert own.url == url
    again = own.api("admin-token")
    stored = {item["metadata"]["name"]: item["metadata"] for item in again.get(CMS).json["items"]}
    for meta in answered:
        assert stored[meta["name"]]["uid"] == meta["uid"]
        assert stored[meta["name"]]["resourceVersion"] == meta["resourceVersion"]
    highest = max(int(meta["resourceVersion"]) for meta in stored.values())
    new = again.post(CMS, {"metadata": {"name": "after"}}).json["metadata"]
    assert int(new["resourceVersion"]) > highest
    again.close()


def test_a_watch_goes_on_from_before_the_restart(own):
    api = own.api("admin-token")
    first = api.post(CMS, {"metadata": {"name": "a"}}).json["metadata"]["resourceVersion"]
    api.patch(f"{CMS}/a", {"data": {"x": "1"}})
    api.delete(f"{CMS}/a")
    assert own.stop() == 0
    own.start()
    again = own.api("admin-token")
    with again.watch(f"{CMS}?watch=1&resourceVersion={first}&fieldSelector=metadata.name%3Da") as watch:
        assert [event["type"] for event in watch.take(2)] == ["MODIFIED", "DELETED"]
    api.close()
    again.close()


def test_shutdown_ends_watches_cleanly(own):
    api = own.api("admin-token")
    with api.watch(f"{CMS}?watch=1&allowWatchBookmarks=true") as watch:
        assert watch.status == 200
        ended = []
        reader = threading.Thread(target=lambda: ended.extend(iter(watch.next, None)))
        reader.start()
        assert own.stop() == 0
        reader.join(10)
        assert not reader.is_alive()
    api.close()


def test_a_watch_that_begins_while_the_server_goes_down_does_not_hold_it_up(own):
    """As an informer does: at the end of its watch it asks for the next one on the same connection."""
    api = own.api("admin-token")
    path = f"{CMS}?watch=1&allowWatchBookmarks=true"
    with api.watch(path) as watch:
        assert watch.status == 200
        answers = []

        def follow():
            for _ in iter(watch.next, None):
                pass
            try:
                answers.append(api.get(path))
            except OSError as gone:
                answers.append(gone)

        # The connection is open before, as an informer's is.
        assert api.get("/livez").status == 200
        reader = threading.Thread(target=follow)
        reader.start()
        assert own.stop() == 0
        reader.join(20)
        assert len(answers) == 1
    api.close()
    log = (own.data.parent / "localkube.log").read_text()
    assert "timeout graceful shutdown exceeded" not in log


def test_a_watch_whose_client_left_is_forgotten(own):
    api = own.api("admin-token")

    def watchers():
        lines = api.get("/metrics").raw.decode().splitlines()
        return int(next(line.split()[1] for line in lines if line.startswith("localkube_watchers ")))

    def settled(wanted):
        api.eventually("/metrics", lambda answer: f"localkube_watchers {wanted}\n".encode() in answer.raw)

    with api.watch(f"{CMS}?watch=1") as watch:
        assert watch.next()["type"] == "ADDED"
        inside = watchers()
    settled(inside - 1)
    api.close()


def test_a_second_server_on_the_same_directory_says_why_it_cannot(own):
    second = Server(own.data)
    with pytest.raises(RuntimeError, match="cannot listen on"):
        second.start()
    log = (own.data.parent / "localkube.log").read_text()
    assert "localkube: cannot" in log
