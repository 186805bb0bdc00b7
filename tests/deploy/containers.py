"""Containers of the built image, and the services of compose.yaml, without a container engine; see image.py."""

import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.tools import DEPLOY, ROOT, TIMEOUT_S, tool


@dataclass
class Containers:
    """What is run of the built image, each in a mount namespace of its own."""

    folder: Path
    environment: dict[str, str]
    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def command(self, *arguments: str) -> list[str]:
        settings = [f"{name}={value}" for name, value in self.environment.items()]
        program = [sys.executable, "-m", "tests.deploy.image", "run", str(self.folder), *settings]
        return ["unshare", "--mount", "--", *program, "--", *arguments]

    def start(self, *arguments: str) -> "subprocess.Popen[bytes]":
        with (self.folder / f"{arguments[0]}.log").open("wb") as log:
            self.processes.append(
                subprocess.Popen(self.command(*arguments), cwd=ROOT, stdout=log, stderr=log, start_new_session=True)
            )
        return self.processes[-1]

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def done(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            self.command(*arguments), cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )

    def stop(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(TIMEOUT_S)


class Composed:
    """
    Services of compose.yaml in a network of their own, in which all of their names lead to one address.

    Ours run in the image, with their commands and variables; Redis is the server of this machine, with the files
    that are mounted for it.
    """

    def __init__(self, image: Path, folder: Path) -> None:
        self.folder = folder / "deploy"
        shutil.copytree(DEPLOY, self.folder, ignore=shutil.ignore_patterns("secrets", ".env"))
        subprocess.run([str(self.folder / "make-secrets")], check=True)
        self._image = image
        self._services: dict[str, dict[str, Any]] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
        self._made = dict(re.findall(r"^(\w+)=(.+)$", (self.folder / ".env").read_text(), flags=re.M))
        (image / "hosts").write_text(f"127.0.0.1 localhost {' '.join(self._services)}\n")
        self._network = subprocess.Popen(
            [tool("unshare"), "--net", sys.executable, "-m", "tests.deploy.image", "network"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._network.stdout
        assert self._network.stdout.readline() == b"up\n"
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def variables(self, name: str) -> dict[str, str]:
        return {
            key: re.sub(r"\$\{(\w+):\?[^}]*\}", lambda found: self._made[found[1]], value)
            for key, value in self._services[name].get("environment", {}).items()
        }

    def start(self, name: str) -> None:
        command = self._redis() if name == "redis" else self._ours(name, *self._services[name]["command"])
        with (self.folder / f"{name}.log").open("wb") as log:
            self._running[name] = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def done(self, name: str, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
        """`docker compose run` of a service; of Redis, a command beside it."""
        command = self._inside(*arguments) if name == "redis" else self._ours(name, *arguments, **more)
        return subprocess.run(
            command,
            cwd=ROOT,
            env=os.environ | self.variables(name),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )

    def is_healthy(self, name: str) -> bool:
        """As its check says."""
        kind, *check = self._services[name]["healthcheck"]["test"]
        if kind == "CMD-SHELL":
            return self.done(name, "sh", "-c", *check).returncode == 0
        return self.done(name, *check[1:]).returncode == 0

    def end(self, *names: str) -> list[int]:
        """What they end with when they are asked to."""
        for name in names:
            self._running[name].send_signal(signal.SIGTERM)
        return [self._running[name].wait(TIMEOUT_S) for name in names]

    def stop(self) -> None:
        for process in self._running.values():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(TIMEOUT_S)
        self._network.kill()
        self._network.communicate()
        (self._image / "hosts").unlink()

    def _inside(self, *command: str) -> list[str]:
        return ["nsenter", f"--net=/proc/{self._network.pid}/ns/net", "--", *command]

    def _ours(self, name: str, *arguments: str, **more: str) -> list[str]:
        settings = self.variables(name) | more | {"HOSTNAME": name}
        pairs = [f"{key}={value}" for key, value in settings.items()]
        program = [sys.executable, "-m", "tests.deploy.image", "run", str(self._image), *pairs]
        return self._inside("unshare", "--mount", "--uts", "--", *program, "--", *arguments)

    def _redis(self) -> list[str]:
        service = self._services["redis"]
        mounted = dict(reversed(volume.split(":")[:2]) for volume in service["volumes"])
        program, conf = service["command"]
        data = self.folder / "data"
        data.mkdir()
        files = {path: str(self.folder / source) for path, source in mounted.items() if source.startswith("./")}
        users = files["/etc/redis/users.acl"]
        return self._inside(tool(program), files[conf], "--dir", str(data), "--aclfile", users)
