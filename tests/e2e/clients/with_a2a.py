"""The A2A SDK's own client against an agent: `with_a2a.py URL KEY`. Runs in an environment of its own, .venv-a2a."""

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


async def whole(client) -> str:
    """A message, again, on from there; what is wrong. Returns the context."""
    [event] = await answers(client, asks("Look.", "m1", context_id="talk"))
    task = event.task
    assert task.status.state == TaskState.TASK_STATE_COMPLETED, task
    assert (result(task), task.context_id) == ("It has [empty directory].", "talk")
    [again] = await answers(client, asks("Look.", "m1", context_id="talk"))
    assert again.task.id == task.id
    [more] = await answers(client, asks("And?", context_id="talk"))
    assert result(more.task) == "I remember."
    found = await client.get_task(GetTaskRequest(id=task.id))
    assert (found.id, result(found)) == (task.id, result(task))
    [failed] = await answers(client, asks("Fail."))
    assert failed.task.status.state == TaskState.TASK_STATE_FAILED
    assert "no such thing" in failed.task.status.message.parts[0].text
    await refused(TaskNotFoundError, client.get_task(GetTaskRequest(id="nothing")))
    await refused(TaskNotCancelableError, client.cancel_task(CancelTaskRequest(id=task.id)))
    await refused(UnsupportedOperationError, answers(client, asks("Look.", task_id=task.id)))
    return task.context_id


async def streamed(client) -> None:
    first, *said, artifact, last = await answers(client, asks("Look."))
    assert first.task.status.state in (TaskState.TASK_STATE_SUBMITTED, TaskState.TASK_STATE_WORKING)
    assert "I look." in "".join(p.text for e in said for p in e.status_update.status.message.parts)
    assert artifact.artifact_update.artifact.parts[0].text == "It has [empty directory]."
    assert last.status_update.status.state == TaskState.TASK_STATE_COMPLETED


async def cancelled(client) -> None:
    [event] = await answers(client, asks("Slow.", at_once=True))
    task = await client.cancel_task(CancelTaskRequest(id=event.task.id))
    assert task.status.state == TaskState.TASK_STATE_CANCELED, task


async def main(url: str, key: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as anybody:
        card = await A2ACardResolver(anybody, url).get_agent_card()
    assert (card.name, card.description, [s.id for s in card.skills]) == (
        "agent",
        "Looks at things.",
        ["look"],
    )
    headers = {"authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(headers=headers, timeout=90, trust_env=False) as http:
        await whole(ClientFactory(ClientConfig(httpx_client=http, streaming=False)).create(card))
        client = ClientFactory(ClientConfig(httpx_client=http)).create(card)
        await streamed(client)
        await cancelled(ClientFactory(ClientConfig(httpx_client=http, streaming=False)).create(card))
    print("a2a: all well")


asyncio.run(main(*sys.argv[1:]))
