"""`python -m app` is `stepstream`."""

from app.cli import main

main()
