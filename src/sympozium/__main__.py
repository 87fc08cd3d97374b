"""The `sympozium` command."""

import sys


def main() -> int:
    """Run the command line; the heavy imports happen inside the sub-command that needs them."""
    from sympozium.cli.main import run_app

    return run_app(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
