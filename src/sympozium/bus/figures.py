"""Metrics of whoever reads the bus."""

from typing import Final

from sympozium.telemetry import metrics

DROPPED: Final = metrics.counter(
    "sympozium_bus_messages_dropped_total",
    "Messages that were not believed: Signature, Data, Message (no envelope), Subject (of another run).",
    ["reason"],
)
# Prometheus sees no increase in a series that begins at 1.
for _reason in ("Signature", "Data", "Message", "Subject"):
    DROPPED.labels(_reason)
PENDING: Final = metrics.gauge(
    "sympozium_bus_pending_messages", "Messages behind the one that the controllers handled last."
)
REDELIVERED: Final = metrics.counter(
    "sympozium_bus_messages_redelivered_total", "Messages that came to the controllers again."
)
AGE: Final = metrics.histogram(
    "sympozium_bus_message_age_seconds", "From the storing of a message to its handling by the controllers.",
    buckets=(0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60, 600),
)  # fmt: skip
CONNECTED: Final = metrics.computed("sympozium_bus_connected", "1 while the controllers have the bus.")
