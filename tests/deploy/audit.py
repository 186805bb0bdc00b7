"""
What `make audit` runs: bandit over the program, pip-audit over the locked requirements of the image.

An audit that could not look a package up is no audit: it ends with `EXIT_UNKNOWN`, and with 0 only where
`--unless-unreachable` says that a missing service shall not stop the caller; what was looked up counts in any case.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
#: The short one first: where its packages are not looked up, the others would not be either.
LOCKS = (ROOT / "deploy/docker/build.txt", ROOT / "deploy/docker/requirements.txt")
PROGRAM = ("app", "actors", "stepstream.py")
EXIT_FOUND, EXIT_UNKNOWN = 1, 3
TIMEOUT_S = 300

#: A line per vulnerability, the packages that nothing is known of, and for how many advisories were looked up.
Audited = tuple[list[str], list[str], int]


def audited(lock: Path, *options: str) -> Audited:
    """What pip-audit says of a lock."""
    command = (
        "--requirement",
        str(lock),
        "--require-hashes",
        "--disable-pip",
        "--format",
        "json",
        "--progress-spinner",
        "off",
    )
    done = subprocess.run(
        [sys.executable, "-m", "pip_audit", *command, *options],
        capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    try:
        packages: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except ValueError:
        return [], [f"all of {lock.name}: {(done.stderr.strip().splitlines() or ['no answer'])[-1]}"], 0
    found = [
        f"{package['name']} {package['version']}: {flaw['id']}, fixed in {', '.join(flaw['fix_versions']) or '-'}"
        for package in packages
        for flaw in package.get("vulns", ())
    ]
    unknown = [package["name"] for package in packages if "skip_reason" in package]
    return found, unknown, len(packages) - len(unknown)


def all_audited(*options: str) -> list[Audited]:
    """One after the other, until the service of advisories has shown that it does not answer."""
    results: list[Audited] = []
    for lock in LOCKS:
        results.append(audited(lock, *options))
        if not results[-1][2]:
            break
    return results


def judged(results: list[Audited], *, lenient: bool) -> tuple[list[str], int]:
    """What to say of them, and the exit code."""
    found = [line for flaws, _, _ in results for line in flaws]
    unknown = [name for _, names, _ in results for name in names]
    known = sum(count for _, _, count in results)
    said = [*found, f"advisories looked up for {known} packages; known vulnerabilities: {len(found)}"]
    if unknown:
        said.append(f"NOT AUDITED, because the service of advisories did not answer for them: {', '.join(unknown)}")
    if found:
        return said, EXIT_FOUND
    return said, EXIT_UNKNOWN if unknown and not lenient else 0


def main() -> int:
    """Both audits, whatever the first says; the exit code."""
    linted = subprocess.run(
        [sys.executable, "-m", "bandit", "--quiet", "--configfile", "pyproject.toml", "--recursive", *PROGRAM],
        cwd=ROOT, timeout=TIMEOUT_S, check=False,
    ).returncode  # fmt: skip
    options = [word for word in sys.argv[1:] if word != "--unless-unreachable"]
    said, code = judged(all_audited(*options), lenient="--unless-unreachable" in sys.argv)
    for line in said:
        print(line)  # noqa: T201
    return EXIT_FOUND if linted else code


if __name__ == "__main__":
    sys.exit(main())
