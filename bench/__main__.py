"""`python -m bench [NAME ...]`: all of them, or the named ones."""

import importlib
import sys

NAMES = (
    "localkube",
    "pods",
    "machine",
    "first_request",
    "job_created",
    "gate",
    "gate_journal",
    "approval",
    "record",
    "webhook",
    "live",
    "streams",
    "server_runs",
    "browser",
    "chart",
    "images",
)

if __name__ == "__main__":
    for name in sys.argv[1:] or NAMES:
        importlib.import_module(f"bench.{name.replace('-', '_')}").main()
