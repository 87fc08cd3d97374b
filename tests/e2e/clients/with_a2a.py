"""The A2A SDK's own client against two agents: `with_a2a.py URL KEY URL KEY`; each run of the second fails. Runs in an environment of its own, .venv-a2a."""

import asyncio
import sys
from uuid import uuid4

import httpx
from a2a.client import ClientConfig, ClientFactory
from a2a.client.card_resolver import A2ACardResolver
from a2a.types.a2a_pb2 import (
    CancelTaskRequest,
    GetTaskRequest,
    Message,
    Part,
    Role,
    SendMessageConfiguration,
    SendMessageRequest,
    StreamResponse,
    Task,
    TaskState,
)
from a2a.utils.errors import A2AError, TaskNotCancelableError, TaskNotFoundError, UnsupportedOperationError


def asks(text: str, message: str = "", *, at_once: bool = False, **more: str) -> SendMessageRequest:
    said = Message(message_id=message or uuid4().hex, role=Role.ROLE_USER, parts=[Part(text=text)], **more)
    return SendMessageRequest(
        message=said, configuration=SendMessageConfiguration(return_immediately=at_once)
    )


def result(task: Task) -> str:
    return "".join(part.text for artifact in task.artifacts for part in artifact.parts)


async def answers(client, request: SendMessageRequest) -> list[StreamResponse]:
    return [event async for event in client.send_message(request)]


async def refused(kind: type[A2AError], awaitable) -> None:
    try:
        await awaitable
    except kind:
        return
    raise AssertionError(f"{kind.__name__} was expected")


async def whole(client) -> None:
    """A message, and again; what is wrong."""
    [event] = await answers(client, asks("Look.", "m1", context_id="talk"))
    task = event.task
    assert task.status.state == TaskState.TASK_STATE_COMPLETED, task
    assert (result(task), task.context_id) == ("It has [empty directory].", "talk")
    [again] = await answers(client, asks("Look.", "m1", context_id="talk"))
    assert again.task.id == task.id
    found = await client.get_task(GetTaskRequest(id=task.id))
    assert (found.id, result(found)) == (task.id, result(task))
    await refused(TaskNotFoundError, client.get_task(GetTaskRequest(id="nothing")))
    await refused(TaskNotCancelableError, client.cancel_task(CancelTaskRequest(id=task.id)))
    await refused(UnsupportedOperationError, answers(client, asks("Look.", task_id=task.id)))


async def failing(client) -> None:
    [failed] = await answers(client, asks("Fail."))
    assert failed.task.status.state == TaskState.TASK_STATE_FAILED
    assert "allowEventBus" in failed.task.status.message.parts[0].text


async def streamed(client) -> None:
    """On from the message before."""
    first, *said, artifact, last = await answers(client, asks("And?", context_id="talk"))
    assert first.task.status.state in (TaskState.TASK_STATE_SUBMITTED, TaskState.TASK_STATE_WORKING)
    assert "I look." in "".join(p.text for e in said for p in e.status_update.status.message.parts)
    assert artifact.artifact_update.artifact.parts[0].text == "I remember."
    assert last.status_update.status.state == TaskState.TASK_STATE_COMPLETED


async def cancelled(client) -> None:
    [event] = await answers(client, asks("Slow.", at_once=True))
    task = await client.cancel_task(CancelTaskRequest(id=event.task.id))
    assert task.status.state == TaskState.TASK_STATE_CANCELED, task


async def card_of(url: str):
    async with httpx.AsyncClient(trust_env=False, timeout=60) as anybody:
        return await A2ACardResolver(anybody, url).get_agent_card()


def client_of(key: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(headers={"authorization": f"Bearer {key}"}, timeout=90, trust_env=False)


async def main(url: str, key: str, broken_url: str, broken_key: str) -> None:
    card = await card_of(url)
    assert (card.name, card.description, [s.id for s in card.skills]) == (
        "agent",
        "Looks at things.",
        ["look"],
    )
    async with client_of(key) as http:
        one = ClientFactory(ClientConfig(httpx_client=http, streaming=False)).create(card)
        await whole(one)
        await streamed(ClientFactory(ClientConfig(httpx_client=http)).create(card))
        await cancelled(one)
    async with client_of(broken_key) as http:
        config = ClientConfig(httpx_client=http, streaming=False)
        await failing(ClientFactory(config).create(await card_of(broken_url)))
    print("a2a: all well")


asyncio.run(main(*sys.argv[1:]))
