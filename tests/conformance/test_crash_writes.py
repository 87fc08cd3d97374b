"""kill -9 while many write, a full disk, damaged files: what was answered stays, and what is wrong is said.

SYMPOZIUM_CRASHES is how often the server is killed (a few by default; 50 for `make conformance` by hand).
"""

import http.client
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from conformance.conftest import Server
from conformance.kubeapi import Api
from sympozium.node.host import candidates
from sympozium.testing.kube import USERS

CRASHES = int(os.environ.get("SYMPOZIUM_CRASHES", "4"))
WRITERS = 6
BWRAP = candidates()[0]
PATH = "/api/v1/namespaces/default/configmaps"


@dataclass
class Writer:
    """Creates, changes and deletes objects of its own, and notes what was answered."""

    index: int
    state: dict[str, tuple[str, int] | None] = field(default_factory=dict)
    """By name: its value and revision; None when its deletion was answered."""
    doubtful: set[str] = field(default_factory=set)
    """Names whose last write was sent and not answered."""
    revisions: list[int] = field(default_factory=list)
    sent: int = 0

    def run(self, api, enough):
        chance = random.Random(f"{self.index} {self.sent}")
        try:
            while True:
                self.sent += 1
                name = f"w{self.index}-{chance.randrange(40)}"
                self.doubtful.add(name)
                self.step(api, chance, name, str(self.sent))
                self.doubtful.discard(name)
                enough.release()
        except (OSError, http.client.HTTPException):
            api.close()

    def step(self, api, chance, name, value):
        if self.state.get(name) is None:
            answer = api.post(PATH, {"metadata": {"name": name}, "data": {"v": value}})
            if answer.status == 409:  # one that was not answered is there
                answer = api.patch(f"{PATH}/{name}", {"data": {"v": value}})
        elif chance.randrange(4):
            answer = api.patch(f"{PATH}/{name}", {"data": {"v": value}})
            if answer.status == 404:
                self.state[name] = None
                return
        else:
            answer = api.delete(f"{PATH}/{name}")
            assert answer.status in {200, 404}
            self.state[name] = None
            return
        assert answer.status in {200, 201}, answer.raw
        rev = int(answer.json["metadata"]["resourceVersion"])
        self.state[name] = (value, rev)
        self.revisions.append(rev)


@pytest.mark.timeout(1200)
def test_kills_at_random_lose_nothing_that_was_answered(tmp_path):
    server, chance = Server(tmp_path / "data"), random.Random(4)
    writers = [Writer(index) for index in range(WRITERS)]
    server.start()
    first = server.api("admin-token")
    watched = int(first.get(PATH).json["metadata"]["resourceVersion"])
    first.close()
    for _ in range(CRASHES):
        write_until_killed(server, writers, chance.randrange(20, 200))
        server.start()
        api = server.api("admin-token")
        listed = api.get(PATH).json
        check(writers, listed)
        watched = resume(api, watched, int(listed["metadata"]["resourceVersion"]))
        api.close()
    assert server.stop() == 0
    every = [rev for writer in writers for rev in writer.revisions]
    assert len(every) == len(set(every)), "a revision came twice"


def write_until_killed(server, writers, writes):
    enough = threading.Semaphore(0)
    threads = [
        threading.Thread(target=writer.run, args=(server.api("admin-token"), enough)) for writer in writers
    ]
    for thread in threads:
        thread.start()
    for _ in range(writes):
        assert enough.acquire(timeout=60)
    server.kill()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


def check(writers, listed):
    there = {item["metadata"]["name"]: item for item in listed["items"]}
    for writer in writers:
        for name, known in writer.state.items():
            item = there.get(name)
            if name in writer.doubtful:
                # Either state is right; what is there now is what the writer goes on from.
                writer.state[name] = item and (item["data"]["v"], int(item["metadata"]["resourceVersion"]))
            elif known is None:
                assert item is None, f"{name} is back"
            else:
                assert item is not None, f"{name} is lost"
                assert (item["data"]["v"], int(item["metadata"]["resourceVersion"])) == known
        writer.doubtful.clear()


def resume(api, since, now):
    """A watch from before the kill gives what was missed, in order, up to the present."""
    with api.watch(f"{PATH}?watch=1&resourceVersion={since}") as watch:
        at = since
        while at < now:
            event = watch.next()
            assert event is not None
            if event["type"] == "ERROR":
                assert event["object"]["code"] == 410
                return now
            rev = int(event["object"]["metadata"]["resourceVersion"])
            assert rev > at
            at = rev
            if not newer(api, at):
                break
    return now


def newer(api, rev):
    """Whether this resource has a change after `rev`: the list's own revision may be another resource's."""
    answer = api.get(f"{PATH}?resourceVersion={rev}&resourceVersionMatch=Exact")
    now = api.get(PATH)
    return answer.status != 200 or answer.json["items"] != now.json["items"]


@dataclass
class Confined:
    """A server whose data directory is a tmpfs of its own of a few MB."""

    directory: Path
    megabytes: int = 6
    pid: int = 0

    def __enter__(self):
        users = self.directory.parent / "users.csv"
        users.write_text(USERS)
        argv = [
            BWRAP, "--dev-bind", "/", "/", "--size", str(self.megabytes << 20), "--tmpfs", str(self.directory),
            "--die-with-parent", "--info-fd", "2", sys.executable, "-m", "sympozium.localkube", "--log-level", "CRITICAL",
            "--data-dir", str(self.directory), "--token-auth-file", str(users), "--until-stdin-closes",
        ]  # fmt: skip
        self.process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.pid = self.child()
        assert self.process.stdout is not None
        self.url = json.loads(self.process.stdout.readline())["url"]
        return self

    def child(self):
        assert self.process.stderr is not None
        text = ""
        while "}" not in text:
            text += self.process.stderr.readline()
        return int(json.loads(text)["child-pid"])

    def inside(self, name):
        """The path of a file on the tmpfs, from outside."""
        return Path(f"/proc/{self.pid}/root{self.directory}/{name}")

    def api(self):
        return Api(self.url, "admin-token", str(self.inside("pki/ca.crt")))

    def __exit__(self, *_):
        os.kill(self.pid, signal.SIGTERM)
        self.process.communicate(timeout=30)


def test_a_full_disk_is_said_and_survived(tmp_path):
    directory = tmp_path / "data"
    directory.mkdir()
    with Confined(directory) as server:
        api = server.api()
        filler = server.inside("filler")
        filler.write_bytes(b"x" * (2 << 20))
        kept, number = [], 0
        while True:
            name = f"fill-{number}"
            answer = api.post(PATH, {"metadata": {"name": name}, "data": {"x": "x" * 100_000}})
            if answer.status != 201:
                break
            kept.append(name)
            number += 1
            assert number < 200, "the disk never filled"
        answer.refused(500, "InternalError", "the store cannot write: database or disk is full")
        # Reads go on, and so do writes when there is room; the one that was refused left nothing behind.
        assert api.get(f"{PATH}/fill-0").status == 200
        assert api.get(f"{PATH}/{name}").status == 404
        filler.unlink()
        after = api.post(PATH, {"metadata": {"name": "after"}, "data": {"x": "x" * 100_000}})
        assert after.status == 201, after.raw
        names = {item["metadata"]["name"] for item in api.get(PATH).json["items"]}
        assert {*kept, "after"} <= names
        assert name not in names
        api.close()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"this is no database" * 500, "file is not a database"),
        ("foreign", "is a database of another program"),
        ("cut", "malformed"),
    ],
)
def test_a_file_that_is_no_store_of_ours_is_one_sentence(tmp_path, content, words):
    data = tmp_path / "data"
    data.mkdir()
    file = data / "state.db"
    if content == "foreign":
        with sqlite3.connect(file) as made:
            made.execute("CREATE TABLE notes (text TEXT)")
        made.close()
    elif content == "cut":
        server = Server(data)
        server.start()
        assert server.stop() == 0
        whole = file.read_bytes()
        file.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    else:
        file.write_bytes(content)
    before = file.read_bytes()
    done = subprocess.run(
        [sys.executable, "-m", "sympozium.localkube", "--data-dir", str(data)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout == ""
    said = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert len(said) == 1, done.stderr
    assert said[0].startswith("localkube: cannot")
    assert words in said[0]
    assert "state.db" in said[0]
    assert file.read_bytes() == before, "it wrote to a file that it refused"


def test_two_servers_on_one_directory_with_different_ports(tmp_path):
    """The port is no protection when the second one is given another."""
    first = Server(tmp_path / "data")
    first.start()
    done = subprocess.run(
        [sys.executable, "-m", "sympozium.localkube", "--data-dir", str(first.data), "--port", "1"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    (first.data / "port").write_text("0")
    done = subprocess.run(
        [sys.executable, "-m", "sympozium.localkube", "--data-dir", str(first.data)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "is another localkube using it?" in done.stderr
    api = first.api("admin-token")
    assert api.post(PATH, {"metadata": {"name": "unharmed"}}).status == 201
    api.close()
    assert first.stop() == 0
