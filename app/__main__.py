"""`python -m app` is `stepstream`."""

from app.cli.main import main

main()
