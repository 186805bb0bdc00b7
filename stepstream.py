"""
The command `stepstream` (or `python -m stepstream`), under a name that no other package has.

`app` and `actors` are names that many projects give their own packages. Which of two is found depends on the
folder and the path of the process, so whoever begins here finds out before a stranger's module is imported.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

HOME = Path(__file__).resolve().parent
PACKAGES = ("app", "actors")


class Shadowed(ImportError):
    """A package of another project stands before one of ours."""


def require_own_packages() -> None:
    """Raises `Shadowed`, with the way out, when `app` or `actors` are not those that came with this file."""
    for name in PACKAGES:
        spec = find_spec(name)
        found = "nothing" if spec is None else spec.origin or "a folder without __init__.py"
        if Path(found).resolve() != HOME / name / "__init__.py":
            raise Shadowed(
                f"The package `{name}` of Stepstream is shadowed: Python finds {found}, not {HOME / name}. "
                f"Rename that one, or start elsewhere or without the PYTHONPATH that leads there; "
                "`stepstream api`, `worker` and `up` look at the current folder last."
            )


def main() -> None:
    """The command; exit code 2 when another project's packages are in its way."""
    try:
        require_own_packages()
    except Shadowed as error:
        print(error, file=sys.stderr)  # noqa: T201  # the command's own way to say it may not be there
        sys.exit(2)
    from app.__main__ import main as command

    command()


if __name__ == "__main__":
    main()
