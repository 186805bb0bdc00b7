"""Redis by TLS only, with certificates on both sides: every kind of connection, and those that must not come about."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pytest
import redis
from typer.testing import CliRunner

from app import redis_async
from app.cli.main import cli
from app.errors import Unavailable
from app.local_redis import without_password
from app.preflight.start import look
from tests.deployment import LINE, Stack, deployment, free_port, wait_for
from tests.redis_users import debian_redis, logged_in, made_users

SHIPPED = Path(__file__).parent.parent.parent / "deploy" / "redis" / "redis.conf"
PASSWORD = "p:ss/w@rd"


def openssl(folder: Path, *words: str) -> None:
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True, timeout=180)


def authority(folder: Path, name: str) -> None:
    """A certificate that may sign others, and its key."""
    openssl(
        folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
        "-keyout", f"{name}.key", "-out", f"{name}.crt", "-subj", f"/CN={name}",
        "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign",
    )  # fmt: skip


def signed(folder: Path, name: str, by: str, names: str) -> None:
    """A certificate for `names`, signed by an authority, and its key."""
    openssl(
        folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
        "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}",
    )  # fmt: skip
    (folder / f"{name}.ext").write_text(f"subjectAltName={names}\n")
    openssl(
        folder, "x509", "-req", "-in", f"{name}.csr", "-CA", f"{by}.crt", "-CAkey", f"{by}.key", "-CAcreateserial",
        "-days", "2", "-out", f"{name}.crt", "-extfile", f"{name}.ext",
    )  # fmt: skip


@dataclass(frozen=True)
class TlsRedis:
    """A server that speaks TLS only."""

    port: int
    folder: Path

    def url(self, user: str, *, host: str = "localhost", ca: str = "ca", certificate: str | None = "client") -> str:
        options = {"ssl_ca_certs": str(self.folder / f"{ca}.crt")}
        if certificate:
            options["ssl_certfile"] = str(self.folder / f"{certificate}.crt")
            options["ssl_keyfile"] = str(self.folder / f"{certificate}.key")
        return logged_in(f"rediss://{host}:{self.port}/0", user, PASSWORD) + f"?{urlencode(options)}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsRedis]:
    """The shipped configuration and users, with the lines about TLS switched on."""
    folder = tmp_path_factory.mktemp("tls")
    authority(folder, "ca")
    authority(folder, "stranger")
    signed(folder, "server", "ca", "DNS:localhost")
    signed(folder, "client", "ca", "DNS:client")
    signed(folder, "foreign", "stranger", "DNS:client")
    found = TlsRedis(free_port(), folder)
    users = made_users(folder, PASSWORD, "test-tls")
    command = [str(debian_redis()), str(SHIPPED), "--port", "0", "--tls-port", str(found.port), "--bind", "127.0.0.1"]
    for name, value in (
        ("tls-cert-file", "server.crt"), ("tls-key-file", "server.key"), ("tls-ca-cert-file", "ca.crt"),
        ("tls-auth-clients", "yes"), ("aclfile", str(users)), ("dir", str(folder)),
    ):  # fmt: skip
        path = str(folder / value) if name.endswith("-file") else value
        command += [f"--{name}", path]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    try:
        wait_for(lambda: answers(process, found), "the server does not answer")
        yield found
    finally:
        process.terminate()
        process.wait(timeout=180)


def answers(process: "subprocess.Popen[bytes]", server: TlsRedis) -> bool:
    assert process.poll() is None, (server.folder / "server.log").read_text()
    try:
        return bool(redis.Redis.from_url(server.url("admin"), protocol=2).ping())
    except redis.ConnectionError:
        return False


def test_a_whole_deployment_runs_over_it(server: TlsRedis, tmp_path: Path) -> None:
    """API, workers, pushes and the doctor, each with a certificate; all by what their url says."""
    stack: Stack = deployment(tmp_path, server.url("api"), "test-tls")
    try:
        stack.api()
        stack.environment["REDIS_URL"] = server.url("worker")
        stack.worker()
        task_id = stack.submit(LINE)
        wait_for(lambda: stack.get(f"/tasks/{task_id}")["status"] == "completed", "the task does not end")
    finally:
        stack.stop()
    told = {"STEPSTREAM_URL": "", "REDIS_URL": server.url("operator"), "STEPSTREAM_NAMESPACE": "test-tls"}
    looked = CliRunner().invoke(cli, ["doctor"], env=told | {"STEPSTREAM_DATA_DIR": str(tmp_path)})

    assert "ok    redis " in looked.stdout
    assert PASSWORD not in looked.stdout


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"ca": "stranger"}, "certificate verify failed"),
        ({"host": "127.0.0.1"}, "IP address mismatch"),
        ({"certificate": None}, None),
        ({"certificate": "foreign"}, None),
    ],
    ids=["authority", "name", "no-certificate", "foreign-certificate"],
)
@pytest.mark.anyio
async def test_who_cannot_be_trusted_is_refused(
    server: TlsRedis, wrong: dict[str, str | None], said: str | None
) -> None:
    """The server by its clients, with the reason; clients by the server."""
    url = server.url("api", **wrong)
    with redis.Redis.from_url(url, protocol=2) as client, pytest.raises(Unavailable, match=said) as caught:
        look(client, without_password(url), "test-tls", "api")
    asynchronous = redis_async.connect(url)
    with pytest.raises(redis.ConnectionError, match=said):
        await asynchronous.ping()
    await asynchronous.aclose()

    assert PASSWORD not in str(caught.value)


def test_plain_text_is_no_way_in(server: TlsRedis) -> None:
    """There is no other port, and this one does not listen to it."""
    url = f"redis://localhost:{server.port}/0"
    with redis.Redis.from_url(url, protocol=2) as client, pytest.raises(redis.ConnectionError):
        client.ping()
