"""`sympozium audit` against a real API and a real bus; the test is the controller."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from cluster.bus_data import whole
from cluster.test_cli import Cli, cli, machine
from sympozium.bus.admin import Admin
from sympozium.bus.audit.entry import Entry
from sympozium.bus.publisher import Publisher
from sympozium.bus.subjects import RunRef

__all__ = ["cli", "machine"]

TIME = "2026-11-27T08:00:00Z"
CREATED = {"instance": "sre", "trigger": {"kind": "Schedule", "name": "nightly", "user": "olivia"}}


def recorded(cli: Cli, run: RunRef, *, ended: bool = True) -> Entry:
    async def write() -> Entry:
        admin = await Admin.open(cli.bus.url, cli.bus.keyring)
        await admin.recorder.open(run, CREATED, time=TIME)
        tools = await Publisher.open((await admin.issue(run))["tools"])
        verdict = {"action": "ask", "rule": "rules[1]", "reason": "a person decides\x1b[2J"}
        await tools.publish("tool.intent", whole("tool.intent", verdict=verdict))
        await tools.publish("tool.outcome", whole("tool.outcome", ok=True))
        await tools.close()
        if ended:
            await admin.recorder.close(run, {"phase": "Succeeded", "reason": "Completed"}, time=TIME)
        else:
            for stored in await admin.transcript(run):
                await admin.recorder.take(run, stored)
        end = admin.recorder.head(run)
        await admin.close()
        assert end is not None
        return end

    return asyncio.run(write())


def anchored(cli: Cli, name: str, end: Entry) -> None:
    cli.status("agentruns", name, phase="Succeeded", audit={"entries": end.n, "hash": end.hash})


def test_export_verify_show_and_list(cli: Cli, tmp_path: Path) -> None:
    run = cli.agent_run("r")
    end = recorded(cli, run)
    anchored(cli, "r", end)
    path = tmp_path / "r.jsonl"
    assert cli.run("audit", "export", "r", "-o", str(path)) == 0, cli.err
    assert f"4 entries to {path}, head {end.hash}" in cli.err
    assert (
        cli.run("audit", "verify", str(path), "--key", cli.bus.keyring.record_public, namespaced=False) == 0
    )
    assert "holds: 4 entries" in cli.out
    assert "--key" not in cli.out
    assert cli.run("audit", "verify", str(path), "--head", end.hash, namespaced=False) == 0
    assert "without --key it is not known whose that is" in cli.out

    assert cli.run("audit", "show", "r") == 0, cli.err
    assert "Schedule nightly by olivia, instance sre" in cli.out
    assert "c1 execute_command in shell: ask by rules[1]: a person decides\\x1b[2J" in cli.out
    assert "\x1b" not in cli.out
    assert cli.run("audit", "list") == 0
    assert [run.name, run.uid, "4", "run.ended"] == cli.out.splitlines()[1].split()[1:5]


def test_a_changed_file_is_named_with_its_line(cli: Cli, tmp_path: Path) -> None:
    recorded(cli, cli.agent_run("r"))
    path = tmp_path / "r.jsonl"
    assert cli.run("audit", "export", "r", "-o", str(path)) == 0, cli.err
    path.write_bytes(path.read_bytes().replace(b'"ok":true', b'"ok":false'))
    assert cli.run("audit", "verify", str(path), str(tmp_path / "none"), namespaced=False) == 1
    assert f"{path}:3: the hash is not that of the entry" in cli.err
    assert f"{tmp_path / 'none'}: cannot be read: No such file" in cli.err
    assert cli.run("audit", "verify", str(path), "--key", "nonsense", namespaced=False) == 1
    assert cli.run("audit", "verify", str(path), str(path), "--head", "x", namespaced=False) == 2


def test_verify_needs_no_cluster_and_no_configuration(cli: Cli, tmp_path: Path) -> None:
    recorded(cli, cli.agent_run("r"))
    path = tmp_path / "r.jsonl"
    assert cli.run("audit", "export", "r", "-o", str(path)) == 0, cli.err
    words = [
        sys.executable,
        "-m",
        "sympozium",
        "audit",
        "verify",
        "-",
        "--key",
        cli.bus.keyring.record_public,
    ]
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    done = subprocess.run(words, input=path.read_bytes(), capture_output=True, env=env, check=False)
    assert (done.returncode, b"holds: 4 entries" in done.stdout) == (0, True), done.stderr


def test_an_open_record(cli: Cli, tmp_path: Path) -> None:
    recorded(cli, cli.agent_run("r"), ended=False)
    path = tmp_path / "r.jsonl"
    assert cli.run("audit", "export", "r", "-o", str(path)) == 0, cli.err
    assert "the run has not ended" in cli.err
    assert cli.run("audit", "verify", str(path), namespaced=False) == 1
    assert cli.run("audit", "verify", str(path), "--open", namespaced=False) == 0


def test_records_of_runs_that_are_gone(cli: Cli, capsys: Any) -> None:
    first, second = (RunRef(cli.namespace, "gone", f"uid-{n}") for n in (1, 2))
    recorded(cli, first)
    assert cli.run("audit", "show", "gone") == 0, cli.err
    assert "is gone: its status cannot be compared" in cli.err
    recorded(cli, second)
    assert cli.run("audit", "show", "gone") == 1
    assert "choose with --uid: uid-1, uid-2" in cli.err
    assert cli.run("audit", "export", "gone", "--uid", "uid-1") == 0
    assert {json.loads(line)["run"]["uid"] for line in cli.out.splitlines()} == {"uid-1"}
    # One that is there is meant, where nothing else is said.
    there = cli.agent_run("gone")
    recorded(cli, there)
    assert cli.run("audit", "show", "gone") == 0
    assert there.uid in cli.out
    assert cli.run("audit", "export", "gone", "--uid", "uid-9") == 1
    assert cli.run("audit", "export", "nobody") == 1
    assert "no record of agentrun 'nobody'" in cli.err


def test_a_record_that_is_not_what_the_status_says(cli: Cli) -> None:
    end = recorded(cli, cli.agent_run("r"))
    cli.status("agentruns", "r", phase="Succeeded", audit={"entries": end.n, "hash": "sha256:" + 64 * "0"})
    for command in ("show", "export"):
        assert cli.run("audit", command, "r") == 1
        assert "which status.audit of agentrun r names: one of both was changed" in cli.err
