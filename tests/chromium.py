"""The browser of the tests: Debian's Chromium without a window, driven by Playwright or over its own protocol."""

import shutil

#: Nothing is asked of anybody else, and `/dev/shm` of a container may be small.
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update",
)  # fmt: skip


def program() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser")
