"""`python -m app` is `stepstream`."""

import sys


def main() -> None:
    """The command. A Ctrl-C while its modules are still being read is one too."""
    try:
        from app.cli.main import cli

        cli(prog_name="stepstream")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
