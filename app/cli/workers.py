"""
Dramatiq's own command, whose main process logs like all others: `OPTIONS OF DRAMATIQ...`.

The plain `dramatiq actors` runs the same workers. Its main process imports nothing of ours, so its own few lines
are text of Dramatiq's.
"""

import sys

from dramatiq import cli

from app.cli.programs import our_module
from app.config import read_settings
from app.logs.setup import configure


def main() -> None:
    settings = read_settings()
    arguments = cli.make_argument_parser().parse_args()  # type: ignore[no-untyped-call]
    if arguments.path == ".":
        arguments.path = []  # see `app.cli.programs`
    # A SIGHUP has it execute what it was started with.
    sys.argv = our_module("app.cli.workers", *sys.argv[1:])
    configure(settings.log_format, "debug" if arguments.verbose else settings.log_level, "workers")
    sys.exit(cli.main(arguments))  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
