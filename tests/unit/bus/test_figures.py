"""Counters that alerts watch are there before they first count."""

import subprocess
import sys

PROGRAM = """
import sympozium.bus.figures
from sympozium.telemetry.metrics import registry
for reason in ("Signature", "Data", "Message", "Subject"):
    print(registry.get_sample_value("sympozium_bus_messages_dropped_total", {"reason": reason}))
"""


def test_the_first_forged_message_is_an_increase() -> None:
    # In a process of its own, since other tests count.
    shown = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True).stdout
    assert shown.split() == ["0.0"] * 4
