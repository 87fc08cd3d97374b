"""What the stream gives to the controllers: every message, and the messages of a run in order, also when a server dies.

Several servers count a message as delivered once most of them have noted it, and the one that was to send it may die with
it. The consumer itself would send it again after its ack wait, behind later messages of the same run; whoever has taken
those would take it for known. So deliveries are counted here: one that is missing makes the consumer start again at the
first message that was not acknowledged.
"""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import nats.errors
import nats.js.errors
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from sympozium.bus.connection import FAILURES, PULL_TIMEOUT, Reconnections
from sympozium.bus.subjects import ALL, STREAM

log = logging.getLogger(__name__)
CONSUMER: Final = "controllers"
_ACK_WAIT: Final = 600.0


class DeliveryLostError(nats.errors.Error):
    """The consumer has sent what never came here."""


class Deliveries:
    """One reader at a time. `js` gives a JetStream context of the connection of now."""

    def __init__(self, js: Callable[[], Any], reconnections: Reconnections) -> None:
        self._js = js
        self._reconnections = reconnections
        self._subscription: Any = None
        self._number = 0
        """Of the newest delivery that came, as this consumer counts them."""
        self._floor = 0
        """Everything up to here, in the stream, was acknowledged when it was asked last."""

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """A consumer that starts at the first message that was not acknowledged. Raises nats-py's errors.

        It is made anew each time: what a predecessor had taken and not acknowledged would otherwise come only
        after `_ACK_WAIT`, behind later messages of the same run.
        """
        config = ConsumerConfig(
            durable_name=CONSUMER,
            filter_subject=ALL,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=_ACK_WAIT,
            max_ack_pending=1024,
        )
        js = self._js()
        try:
            known = await js.consumer_info(STREAM, CONSUMER)
        except nats.js.errors.NotFoundError:
            # It was removed below and could not be made again, or a stream that was lost with its servers is a new one.
            if (await js.stream_info(STREAM)).state.last_seq < self._floor:
                self._floor = 0
            if not self._floor:
                log.info("no consumer %s yet: reading the stream from its beginning", CONSUMER)
        else:
            self._floor = known.ack_floor.stream_seq if known.ack_floor else 0
            await js.delete_consumer(STREAM, CONSUMER)
        if self._floor:
            config.deliver_policy = DeliverPolicy.BY_START_SEQUENCE
            config.opt_start_seq = self._floor + 1
        await js.add_consumer(STREAM, config)
        self._number = 0
        self._subscription = await js.pull_subscribe_bind(consumer=CONSUMER, stream=STREAM)
        try:
            yield
        finally:
            with suppress(*FAILURES):
                await self._subscription.unsubscribe()

    async def next(self) -> Msg | None:
        """None after a while of silence. Raises nats-py's errors, of them DeliveryLostError: open it again then."""
        # One at a time: with more, nats-py holds back what came for the rest of the batch, up to the whole timeout,
        # when the end of an earlier request comes late. That is an approval that nobody sees for a while.
        try:
            (message,) = await self._reconnections.answer(self._subscription.fetch(1, timeout=PULL_TIMEOUT))
        except TimeoutError:
            await self._compare()
            return None
        number: int = message.metadata.sequence.consumer
        if number > self._number + 1:
            raise DeliveryLostError(f"deliveries {self._number + 1} to {number - 1} never came")
        self._number = number
        return message  # type: ignore[no-any-return]

    async def _compare(self) -> None:
        """Of what was lost and followed by nothing, only the consumer itself knows."""
        delivered = (await self._js().consumer_info(STREAM, CONSUMER)).delivered
        if delivered.consumer_seq > self._number and not self._subscription.pending_msgs:
            raise DeliveryLostError(f"deliveries {self._number + 1} to {delivered.consumer_seq} never came")
