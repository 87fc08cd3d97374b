"""`sympozium init`: from nothing to a first run, in questions that have an answer already.

A control plane where there is none, a model that was tried, a team, a run. Each question can be answered by an option, and
with `--yes` by what is the usual answer, so the same steps work in a script. A step that was done before is shown and
can be kept. A key is never an argument and is never printed.

Questions are asked outside of the event loop: a prompt that blocks it would not hear Ctrl-C.
"""

import getpass
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from sympozium.actions import endpoints, nodemodels, setup
from sympozium.actions.endpoints import NO_KEY, Found, Trial
from sympozium.actions.runs import Wanted
from sympozium.actions.setup import Choice, Configured
from sympozium.api.meta import LABEL_PACK, SYSTEM_NAMESPACE
from sympozium.cli import logs, packs, runs, session
from sympozium.cli.failures import EXIT_USAGE, CommandError
from sympozium.cli.output import paint, plain, say
from sympozium.cli.place import may_start_own
from sympozium.cli.progress import working
from sympozium.cli.session import Session
from sympozium.cli.watching import until
from sympozium.kube import KubeError
from sympozium.kube.resources import Object
from sympozium.resources import INSTANCES, PERSONA_PACKS

NOTHING = "none"
_TASK = "Say in three sentences who you are, what you may do here, and what you would do first."
_LISTED = 15
_PACK_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Wishes:
    """The answers that were given beforehand."""

    namespace: str | None = None
    base_url: str | None = None
    provider: str | None = None
    model: str | None = None
    key_env: str | None = None
    key_file: Path | None = None
    pack: str | None = None
    instance: str | None = None
    task: str | None = None
    yes: bool = False

    @property
    def asks(self) -> bool:
        return not self.yes


def init(wishes: Wishes) -> int:
    """Returns the exit code: that of the first run, where there was one."""
    if wishes.asks and not sys.stdin.isatty():
        raise CommandError(
            "init asks questions, and standard input is no terminal: answer with options and --yes",
            EXIT_USAGE,
        )
    _control_plane(wishes)
    _heading("Model")
    _model(wishes)
    _heading("Team")
    _pack(wishes)
    _heading("First run")
    code = _run(wishes)
    say("\nNext: `sympozium open` shows the dashboard, `sympozium top` what is going on here.")
    return code


def _heading(words: str) -> None:
    say("\n" + paint("1", words))


# -- a control plane


def _control_plane(wishes: Wishes) -> None:
    try:
        with working("looking for a control plane"):
            version = session.run(lambda s: s.client.request("GET", "/version"))
    except CommandError:
        if not may_start_own():
            raise
        _start_here(wishes)
        return
    server = session.run(_server)
    say(f"Control plane: {server}, version {version['gitVersion']}")


async def _server(s: Session) -> str:
    return s.client.access.server


def _start_here(wishes: Wishes) -> None:
    from sympozium.up import commands
    from sympozium.up.paths import default_data_dir

    place = default_data_dir()
    say("No cluster is configured, and no control plane runs on this machine.")
    if wishes.asks and not typer.confirm(f"Start one here, with its data in {place}?", default=True):
        raise CommandError("nothing was started: set KUBECONFIG for a cluster, or run sympozium up --detach")
    try:
        with working("starting the control plane"):
            commands.up(place, detach=True)
    except commands.UpError as exc:
        raise CommandError(str(exc)) from exc


# -- a model


def _model(wishes: Wishes) -> None:
    namespace = wishes.namespace

    async def look(s: Session) -> tuple[Configured, list[Found], list[str]]:
        now = await setup.configured(s.client, s.namespace)
        on_nodes, unknown = await _on_nodes(s)
        return now, await setup.found(now, os.environ, on_nodes), unknown

    with working("looking for models"):
        now, found, unknown = session.run(look, namespace)
    for words in unknown:
        say(f"Not looked at: {plain(words)}")
    if now.model:
        say(f"Now: {_model_words(now)}")
    while True:
        choice = _choose(wishes, now, found)
        if choice is None and not now.base_url:
            say("It stays as it is; it was not tried, since you may not read its address and key.")
            return
        tried = choice or Choice(now.base_url, now.provider, now.model)
        trial = _try(wishes, tried, now)
        model = trial.answer.model if trial.answer else _untried(wishes, tried, trial, found)
        if model:
            break
        if not wishes.asks or wishes.base_url:
            raise CommandError(
                "the model does not work, as said above: name another with --base-url and --key-env"
            )
    if choice is not None:
        chosen = Choice(choice.base_url, choice.provider, model, choice.key)
        written = session.run(lambda s: setup.save(s.client, chosen, [s.namespace]), namespace)
        say("Written: " + ", ".join(written))


def _try(wishes: Wishes, choice: Choice, now: Configured) -> Trial:
    """One tiny call, and words about it."""
    key = choice.key or (now.key if choice.base_url == now.base_url else "")
    with working(f"asking {choice.model or 'the endpoint'}"):
        trial = session.run(
            lambda _: endpoints.attempt(choice.base_url, key, choice.model or None), wishes.namespace
        )
    if trial.answer is None:
        say(paint("31", f"It does not work: {plain(trial.problem)}"))
        say(f"  {plain(trial.cure)}")
        return trial
    said = " ".join(plain(trial.answer.text).split())
    say(f"{paint('32', 'It works')}: {plain(trial.answer.model)} said {said!r} in {trial.answer.ms} ms.")
    return trial


def _untried(wishes: Wishes, choice: Choice, trial: Trial, found: Sequence[Found]) -> str:
    """The model of a node that pods reach and this machine does not, where somebody wants it all the same; else empty."""
    one = next((f for f in found if f.node and f.base_url == choice.base_url), None)
    model = choice.model or next(iter(one.models if one else ()), "")
    if one is None or not model or trial.models or not wishes.asks:
        return ""
    say(f"  The probe on node {plain(one.node)} reaches it; this machine may be outside of the cluster.")
    if not typer.confirm(f"Use {plain(model)} there without a trial?", default=False):
        return ""
    say("  `sympozium doctor` tries it from a pod.")
    return model


async def _on_nodes(s: Session) -> tuple[list[Found], list[str]]:
    """What node probes found, where the cluster has them, and what they did not tell."""
    try:
        reports = await nodemodels.through_api(s.client)
    except KubeError as exc:
        return [], [f"model servers on nodes: {exc}"]
    return nodemodels.found(reports), nodemodels.untold(reports)


def _model_words(now: Configured) -> str:
    where = f" at {now.base_url}" if now.base_url else "" if now.readable else " (you may not read where)"
    return f"{now.model} ({now.provider or 'no provider'}){where}"


def _choose(wishes: Wishes, now: Configured, found: Sequence[Found]) -> Choice | None:
    """None to keep what there is."""
    if wishes.base_url:
        known = next((f for f in found if f.base_url == wishes.base_url), None)
        key = _given_key(wishes) or (known.key if known and known.source != "config" else None)
        return _with_model(
            wishes, wishes.base_url, wishes.provider or endpoints.provider_of(wishes.base_url), key,
            known.models if known else None,
        )  # fmt: skip
    if not wishes.asks:
        # What a node has may be anybody's who can open a port there: a person chooses that.
        works = [f for f in found if not f.problem and not f.node]
        if now.model and not wishes.model:
            return None
        if not works:
            there = "; ".join(f"{plain(f.base_url)} on node {plain(f.node)}" for f in found if f.node)
            raise CommandError(
                "no model endpoint was found"
                + (f" but those of nodes ({there})" if there else "")
                + ": name one with --base-url (and --key-env)",
                EXIT_USAGE,
            )
        best = works[0]
        return _with_model(
            wishes, best.base_url, wishes.provider or best.provider, best.key or None, best.models
        )
    return _ask_endpoint(wishes, now, found)


def _ask_endpoint(wishes: Wishes, now: Configured, found: Sequence[Found]) -> Choice | None:
    for number, one in enumerate(found, 1):
        state = one.problem or f"{len(one.models)} models" + (
            f": {', '.join(one.models[:4])}" if one.models else ""
        )
        place = f"on node {plain(one.node)}:" if one.node else _SOURCES[one.source]
        say(f"  {number}  {place} {plain(one.base_url)} ({plain(state)})")
    say(f"  {len(found) + 1}  another endpoint, by its address")
    answer = _number("Which one?", len(found) + 1, 1)
    if answer <= len(found):
        one = found[answer - 1]
        if one.base_url == now.base_url and not typer.confirm(
            "Choose another model there?", default=not now.model
        ):
            return None
        if one.node and not one.key:
            key = getpass.getpass("Its key (not shown): ").strip()
            return _with_model(wishes, one.base_url, one.provider, key, None)
        return _with_model(wishes, one.base_url, one.provider, one.key or None, one.models)
    base_url = str(typer.prompt("Address (OpenAI-compatible, most often ends in /v1)")).strip()
    # getpass asks after it has turned the echo off; a prompt of typer's would be there before.
    key = getpass.getpass("Key (not shown; empty for none): ").strip()
    provider = str(typer.prompt("Provider", default=endpoints.provider_of(base_url)))
    return _with_model(wishes, base_url, provider, key or NO_KEY, None)


_SOURCES = {"env": "from the environment:", "ollama": "Ollama:", "config": "set up now:",
            "rehearsal": "the rehearsal model (scripted):"}  # fmt: skip


def _with_model(
    wishes: Wishes, base_url: str, provider: str, key: str | None, models: Sequence[str] | None
) -> Choice:
    """Ask for the model, where there is a choice."""
    if wishes.model or not wishes.asks:
        return Choice(base_url, provider, wishes.model or "", key)
    if models is None:
        with working("listing models"):
            models = session.run(lambda _: _list(base_url, key or ""))
    if not models:
        return Choice(base_url, provider, str(typer.prompt("Model")).strip(), key)
    if len(models) == 1:
        return Choice(base_url, provider, models[0], key)
    for number, name in enumerate(models[:_LISTED], 1):
        say(f"  {number}  {plain(name)}")
    if len(models) > _LISTED:
        say(f"     and {len(models) - _LISTED} more: their names can be typed too")
    answer = str(typer.prompt("Model (number or name)", default="1")).strip()
    if answer.isdecimal() and 1 <= int(answer) <= min(len(models), _LISTED):
        answer = models[int(answer) - 1]
    return Choice(base_url, provider, answer, key)


async def _list(base_url: str, key: str) -> list[str]:
    """Empty where the endpoint tells nothing: the trial that follows says why."""
    try:
        return await endpoints.models_of(base_url, key)
    except endpoints.EndpointError:
        return []


def _given_key(wishes: Wishes) -> str | None:
    """The key that the options name. Raises CommandError."""
    if wishes.key_env:
        key = os.environ.get(wishes.key_env)
        if not key:
            raise CommandError(f"--key-env {wishes.key_env}: that variable is not set", EXIT_USAGE)
        return key.strip()
    if wishes.key_file:
        try:
            text = sys.stdin.read() if str(wishes.key_file) == "-" else wishes.key_file.read_text()
        except (OSError, UnicodeDecodeError) as exc:
            raise CommandError(f"--key-file {wishes.key_file}: {exc}", EXIT_USAGE) from exc
        return text.strip()
    return None


def _number(question: str, most: int, default: int) -> int:
    while True:
        answer = str(typer.prompt(question, default=str(default))).strip()
        if answer.isdecimal() and 1 <= int(answer) <= most:
            return int(answer)
        say(f"  a number from 1 to {most}")


# -- a team


def _pack(wishes: Wishes) -> None:
    if wishes.pack == NOTHING:
        say("No team was asked for.")
        return

    async def look(s: Session) -> tuple[list[Object], list[Object]]:
        here = await s.client.list(PERSONA_PACKS, s.namespace)
        return here, await s.client.list(PERSONA_PACKS, SYSTEM_NAMESPACE)

    here, catalogue = session.run(look, wishes.namespace)
    enabled = [p["metadata"]["name"] for p in here if p["spec"].get("enabled")]
    if enabled and wishes.pack is None:
        say(f"Enabled here: {', '.join(enabled)}")
        return
    offered = {p["metadata"]["name"]: p for p in (*catalogue, *here)}
    name = wishes.pack or _ask_pack(wishes, offered)
    if name == NOTHING:
        say("No team: `sympozium pack list` shows what there is.")
        return
    session.run(lambda s: packs.enable(s, name), wishes.namespace)
    with working("waiting for its agents"):
        session.run(lambda s: _installed(s, name), wishes.namespace)


def _ask_pack(wishes: Wishes, offered: dict[str, Object]) -> str:
    names = sorted(offered)
    if not names:
        return NOTHING
    if not wishes.asks:
        return names[0]
    for number, name in enumerate(names, 1):
        words = " ".join((offered[name]["spec"].get("description") or "").split())
        say(f"  {number}  {name}: {plain(words)}")
    say(f"  {len(names) + 1}  none for now")
    answer = _number("Which team?", len(names) + 1, 1)
    return names[answer - 1] if answer <= len(names) else NOTHING


async def _installed(s: Session, name: str) -> None:
    """Until the controller has made the team's agents. Raises CommandError."""

    def settled(pack: Object) -> bool:
        return (pack.get("status") or {}).get("phase") in ("Ready", "Error")

    pack = await until(s, PERSONA_PACKS, name, settled, seconds=_PACK_SECONDS)
    if pack is None:
        raise CommandError(
            f"personapack {name} is not ready after {_PACK_SECONDS} s: sympozium describe ppack {name}"
        )
    if pack["status"]["phase"] == "Error":
        raise CommandError(f"personapack {name} has a problem: sympozium describe ppack {name}")


# -- a run


def _run(wishes: Wishes) -> int:
    if wishes.task == NOTHING:
        say("No run was asked for.")
        return 0
    instances = session.run(lambda s: s.client.list(INSTANCES, s.namespace), wishes.namespace)
    # A team's agents first: it was enabled for them a moment ago.
    found = sorted(
        instances,
        key=lambda i: (LABEL_PACK not in (i["metadata"].get("labels") or {}), i["metadata"]["name"]),
    )
    names = [i["metadata"]["name"] for i in found]
    if wishes.instance is None and not names:
        say("There is no agent here yet: sympozium pack enable NAME, or sympozium apply -f FILE")
        return 0
    instance = wishes.instance or _ask_instance(wishes, names)
    task = wishes.task or (typer.prompt("Task", default=_TASK) if wishes.asks else _TASK)
    name = session.run(lambda s: runs.start(s, Wanted(instance, str(task))), wishes.namespace)
    session.run(lambda s: logs.logs(s, name, follow=True), wishes.namespace)
    return session.run(lambda s: runs.result(s, name), wishes.namespace)


def _ask_instance(wishes: Wishes, names: Sequence[str]) -> str:
    if len(names) == 1 or not wishes.asks:
        return names[0]
    for number, name in enumerate(names, 1):
        say(f"  {number}  {name}")
    return names[_number("Which agent?", len(names), 1) - 1]
