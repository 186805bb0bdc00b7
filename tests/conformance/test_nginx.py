"""`deploy/nginx.conf` and `nginx-tls.conf`, run by a real nginx before two API processes."""

import os
import re
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
import redis

from app.access.keyring import Keyring
from app.access.principal import Scope
from tests.conformance.readers import WAIT_S, CurlFollower, Follower, HttpxFollower, RawFollower
from tests.conformance.site import KEYS, Site
from tests.deployment import free_port, wait_for
from tests.integration.api.support import LINE

pytestmark = pytest.mark.full

DEPLOY = Path(__file__).parent.parent.parent / "deploy"
CONF, TLS_CONF = DEPLOY / "nginx.conf", DEPLOY / "nginx-tls.conf"
#: More than a browser opens to one site over HTTP/1.1.
STREAMS = 8
FOLLOWERS: list[type[Follower]] = [RawFollower, HttpxFollower]


@dataclass
class Front:
    """nginx, and a key for what lies behind it."""

    site: Site
    url: str
    tls_url: str
    certificate: Path
    key: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    def request(self, method: str, path: str, **more: Any) -> httpx2.Response:
        headers = self.headers | more.pop("headers", {})
        return httpx2.request(method, self.url + path, headers=headers, timeout=WAIT_S, **more)

    def submit(self) -> str:
        reply = self.request("POST", "/run-task", json={"task": "Do it", "plan": LINE})
        assert reply.status_code == 202, reply.text
        task_id: str = reply.json()["task_id"]
        return task_id


def installed(folder: Path, port: int, tls_port: int, apis: list[int]) -> list[str]:
    """The configuration with other places and ports, and the command that runs it."""
    text = CONF.read_text()
    servers = "".join(f"server 127.0.0.1:{api} max_fails=0;\n" for api in apis)
    text, changed = re.subn(r"server 127\.0\.0\.1:8000 max_fails=0;", servers, text)
    within = f"listen 127.0.0.1:{port} backlog=4096; include {secured(folder, tls_port)};"
    text, moved = re.subn(r"listen 80 backlog=4096;", within, text)
    text, logged = re.subn(r"/var/log/nginx/access\.log", str(folder / "access.log"), text)
    assert (changed, moved, logged) == (1, 1, 1)
    for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"):
        text = text.replace("http {", f"http {{ {kind}_temp_path {folder / kind};", 1)
    (folder / "nginx.conf").write_text(text)
    places = f"daemon off; pid {folder / 'pid'}; error_log {folder / 'error.log'} info;"
    return ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-g", places]


def secured(folder: Path, port: int) -> Path:
    """The part for TLS with another port, and a certificate for this machine."""
    certificate, key = folder / "cert.pem", folder / "key.pem"
    made = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run([*made, *names, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    text = TLS_CONF.read_text()
    for was, becomes in (
        ("listen 443 ", f"listen 127.0.0.1:{port} "),
        ("/etc/nginx/tls/fullchain.pem", str(certificate)),
        ("/etc/nginx/tls/key.pem", str(key)),
    ):
        assert text.count(was) == 1
        text = text.replace(was, becomes)
    (folder / "tls.conf").write_text(text)
    return folder / "tls.conf"


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    for program in ("nginx", "openssl"):
        if shutil.which(program) is None:
            if os.environ.get("CI"):
                pytest.fail(f"no {program} in CI")
            pytest.skip(f"no {program}")
    folder = tmp_path_factory.mktemp("nginx")
    site = Site(folder)
    site.start_redis()
    apis = site.start_apis(2)
    port, tls_port = free_port(), free_port()
    command = installed(folder, port, tls_port, [api.port for api in apis])
    subprocess.run([*command, "-t"], check=True, capture_output=True)
    nginx = subprocess.Popen(command)
    client: redis.Redis = site.redis
    token, _ = Keyring(client, KEYS).create(tenant="default", scopes=[Scope.ADMIN])
    plain, secure = f"http://127.0.0.1:{port}", f"https://127.0.0.1:{tls_port}"
    front = Front(site, plain, secure, folder / "cert.pem", token.text)
    wait_for(lambda: _answers(front), "nginx did not start")
    yield front
    nginx.terminate()
    nginx.wait(WAIT_S)
    site.stop()


def _answers(front: Front) -> bool:
    try:
        return front.request("GET", "/readyz").status_code == 200
    except httpx2.TransportError:
        return False


def assert_each_passes_at_once(front: Front, follower: Follower, task_id: str) -> None:
    """Every event is there before the next one is written."""
    for step_id in (1, 2, 3):
        before = len(front.site.ids(task_id))
        follower.wait(lambda before=before: follower.count >= before, "held back")  # type: ignore[misc]
        front.site.finish(task_id, step_id)
    follower.wait_over()
    follower.close()

    assert follower.ids == front.site.ids(task_id)


@pytest.mark.parametrize("kind", FOLLOWERS)
def test_events_pass_at_once(front: Front, kind: type[Follower]) -> None:
    """Each before the next one is written, uncompressed, also to a client that would take them compressed."""
    task_id = front.submit()
    follower = kind(f"{front.url}/stream/{task_id}", front.headers | {"Accept-Encoding": "gzip"})
    assert_each_passes_at_once(front, follower, task_id)


def test_a_submission_streams_at_once(front: Front) -> None:
    """Its answer is a stream as well."""
    headers = front.headers | {"Accept": "text/event-stream"}
    with httpx2.stream(
        "POST", f"{front.url}/run-task", json={"task": "Do it", "plan": LINE}, headers=headers, timeout=WAIT_S
    ) as reply:
        parts = reply.iter_lines()
        assert any(line == "event: step.queued" for line in parts)
        front.site.finish(reply.headers["task-id"], 1, 2, 3)
        assert any(line == "event: stream.end" for line in parts)


@pytest.mark.parametrize("kind", FOLLOWERS)
def test_one_api_process_takes_over_from_another(front: Front, kind: type[Follower]) -> None:
    """kill -9 of the one that serves the stream; nobody is told that it is gone."""
    task_id = front.submit()
    follower = kind(f"{front.url}/stream/{task_id}", front.headers)
    follower.wait(lambda: follower.count >= len(front.site.ids(task_id)), "the stream did not begin")
    front.site.finish(task_id, 1)
    killed = front.site.living[0]
    killed.kill()
    front.site.finish(task_id, 2, 3)
    follower.wait_over()
    follower.close()
    restarted(front.site, killed.port)

    assert follower.ids == front.site.ids(task_id)


def restarted(site: Site, *ports: int) -> None:
    for port in ports:
        site._start_api(port, {})
    wait_for(lambda: all(api.answers() for api in site.living), "the API processes did not come back")


def test_a_stream_goes_on_when_all_processes_were_restarted(front: Front) -> None:
    """Meanwhile an EventSource is asked to come back rather than told to give up; everybody else gets a problem."""
    task_id = front.submit()
    follower = RawFollower(f"{front.url}/stream/{task_id}", front.headers | {"Accept": "text/event-stream"})
    follower.wait(lambda: follower.count >= len(front.site.ids(task_id)), "the stream did not begin")
    ports = [api.port for api in front.site.living]
    for api in front.site.living:
        api.kill()

    browsers = front.request("GET", f"/stream/{task_id}", headers={"Accept": "text/event-stream"})
    others = front.request("GET", f"/tasks/{task_id}")
    restarted(front.site, *ports)
    front.site.finish(task_id, 1, 2, 3)
    follower.wait_over()
    follower.close()

    assert (browsers.status_code, browsers.text) == (200, "retry: 2000\n\n")
    assert browsers.headers["content-type"] == "text/event-stream"
    assert (others.status_code, others.json()["status"]) == (503, 503)
    assert others.headers["content-type"] == "application/problem+json"
    assert others.headers["retry-after"] == "2"
    assert follower.ids == front.site.ids(task_id)


def test_what_comes_through_nginx_needs_a_key(front: Front) -> None:
    """Although it comes in at a loopback address, where none is needed."""
    assert httpx2.get(f"{front.url}/tasks", timeout=WAIT_S).status_code == 401


def refused_by_its_head(front: Front, body_bytes: int) -> int:
    """The answer to a submission whose body is only announced: to one that is sent, the answer may come too early."""
    place = urlsplit(front.url)
    connection = HTTPConnection(place.hostname or "", place.port, timeout=WAIT_S)
    with closing(connection):
        connection.request("POST", "/run-task", headers={**front.headers, "Content-Length": str(body_bytes)})
        return connection.getresponse().status


def test_answers_are_compressed_and_bounded(front: Front) -> None:
    """JSON is, streams are not (see above); a body or a head that is too large does not get through."""
    task_id = front.submit()

    view = front.request("GET", f"/tasks/{task_id}")
    body = refused_by_its_head(front, 17 << 20)
    head = front.request("GET", "/tasks", headers={"X-Padding": "x" * 70_000})

    assert view.headers["content-encoding"] == "gzip"
    assert body == 413
    assert head.status_code == 400


def test_events_pass_at_once_over_tls_and_http2(front: Front) -> None:
    """Each before the next one is written; a second browser tab needs no second connection."""

    class Http2Follower(CurlFollower):
        options = ("--http2", "--cacert", str(front.certificate))

    task_id = front.submit()
    follower = Http2Follower(f"{front.tls_url}/stream/{task_id}", front.headers)
    assert_each_passes_at_once(front, follower, task_id)


def viewers(front: Front) -> int:
    return sum(api.viewers for api in front.site.living)


def test_many_streams_share_one_connection(front: Front, tmp_path: Path) -> None:
    """All of them open at once over one connection, where HTTP/1.1 would need one for each."""
    task_id = front.submit()
    target = ["-o", str(tmp_path / "#1"), f"{front.tls_url}/stream/{task_id}?tab=[1-{STREAMS}]"]
    options = [
        "--silent",
        "--parallel",
        "--http2",
        "--cacert",
        str(front.certificate),
        "-w",
        "%{num_connects} %{http_version}\n",
    ]
    key = ["-H", f"Authorization: Bearer {front.key}"]
    # Those of other tests have hung up; that they have is told a moment later.
    wait_for(lambda: viewers(front) == 0, "streams are still open")
    with subprocess.Popen(["curl", *options, *key, *target], stdout=subprocess.PIPE, text=True) as curl:
        wait_for(lambda: viewers(front) == STREAMS, "the streams did not open")
        front.site.finish(task_id, 1, 2, 3)
        told, _ = curl.communicate(timeout=2 * WAIT_S)
    rows = [line.split() for line in told.splitlines()]

    assert [version for _, version in rows] == ["2"] * STREAMS
    assert sum(int(connects) for connects, _ in rows) == 1
    assert all("stream.end" in path.read_text() for path in tmp_path.iterdir())


def test_browsers_are_told_to_come_by_tls_only(front: Front) -> None:
    """And what comes in over it is told so to the API, which needs its key as ever."""
    context = ssl.create_default_context(cafile=str(front.certificate))
    with httpx2.Client(verify=context, timeout=WAIT_S) as client:
        known = client.get(f"{front.tls_url}/tasks", headers=front.headers)
        unknown = client.get(f"{front.tls_url}/tasks")

    assert (known.status_code, unknown.status_code) == (200, 401)
    assert known.headers["strict-transport-security"] == "max-age=63072000"
