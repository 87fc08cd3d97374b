"""`python -m sympozium.cli.demo [--data-dir DIR] [--seed N]`."""

import argparse
import os
import random
import signal
import sys
from pathlib import Path

from sympozium.cli.demo.story import Story
from sympozium.testing.client import ApiError, WaitTimeoutError
from sympozium.up.commands import UpError
from sympozium.up.paths import DataDir, default_data_dir


def main() -> int:
    """Tell the story once. Interrupted, or told to end, it stops what it started."""
    parser = argparse.ArgumentParser(description="The main job, end to end, on this machine.")
    parser.add_argument("--data-dir", type=Path, default=default_data_dir())
    parser.add_argument("--seed", type=int, help="draw the same fault again")
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)  # noqa: S311 - which fault is drawn is no secret
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.default_int_handler)
    try:
        return Story(DataDir(arguments.data_dir.absolute()), chance).tell()
    except (UpError, ApiError, WaitTimeoutError) as exc:
        print(f"error: {exc}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Who read us went away (`| head`); what was started is stopped already. No second failure at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
