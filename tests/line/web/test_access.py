"""Who gets in, who may do what, and who stays out."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from line.web.conftest import Serve, Served
from tls_files import make_tls_files

from res2clip_runtime.errors import ArtefactNotFoundError, InputError, OutputError
from res2clip_runtime.service.users import add_password, add_token, remove_user
from res2clip_runtime.web import WebConfig, bounded_server
from res2clip_runtime.web.endpoints import ENDPOINTS
from res2clip_runtime.web.rate_limit import RateLimit, client_key
from res2clip_runtime.web.sessions import Sessions

PASSWORDS = {"vera": "vera looks on", "otto": "otto triggers", "erna": "erna teaches!"}
ROLES = {"vera": "viewer", "otto": "operator", "erna": "engineer"}


@pytest.fixture(scope="session")
def users_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("users") / "users.toml"
    for name, password in PASSWORDS.items():
        add_password(file, name, ROLES[name], password)  # type: ignore[arg-type]
    return file


@pytest.fixture
def users(users_file: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    copy = tmp_path / "users.toml"
    copy.write_bytes(users_file.read_bytes())
    copy.chmod(0o600)
    return copy


@pytest.fixture
def served(serve: Serve, users: Path) -> Served:
    served = serve(users_file=users)
    served.run.await_verdicts(3)
    return served


@contextmanager
def log_in(served: Served, name: str) -> Iterator[httpx.Client]:
    """Yield a client with a session, as a browser on our own page has one."""
    with served.client(Origin=served.url) as client:
        answer = client.post("/api/login", json={"name": name, "password": PASSWORDS[name]})
        assert answer.status_code == 200, answer.text
        yield client


def audit(served: Served) -> list[dict[str, str]]:
    text = (served.folder / "audit.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_nothing_but_the_empty_page_is_given_to_strangers(served: Served) -> None:
    with served.client() as client:
        me = client.get("/api/me").json()
        for endpoint in ENDPOINTS:
            if endpoint.role is None:
                continue
            path = endpoint.path.replace("{product:path}", "washer").replace("{id}", "1")
            answer = client.request(endpoint.method, path.replace("{n}", "0"))
            assert answer.status_code == 401, endpoint
            assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert me == {"name": None, "role": None, "login_needed": True}


@pytest.mark.parametrize("name", list(PASSWORDS))
def test_role_decides_what_is_possible(served: Served, name: str) -> None:
    ranks = list(ROLES.values())
    with log_in(served, name) as client:
        assert client.get("/api/me").json() == {
            "name": name,
            "role": ROLES[name],
            "login_needed": True,
        }
        for endpoint in ENDPOINTS:
            if endpoint.role is None or endpoint.path in ("/api/live.mjpg", "/api/events"):
                continue
            path = endpoint.path.replace("{product:path}", "washer").replace("{id}", "1")
            answer = client.request(endpoint.method, path.replace("{n}", "0"))
            allowed = ranks.index(ROLES[name]) >= ranks.index(endpoint.role)
            assert (answer.status_code != 403) is allowed, (endpoint, answer.text)
            assert answer.status_code != 401


def test_wrong_password_is_refused_and_both_are_written_down(served: Served) -> None:
    with served.client() as client:
        wrong = client.post("/api/login", json={"name": "otto", "password": "otto trigger?"})
        nobody = client.post("/api/login", json={"name": "nobody", "password": "otto triggers"})
    with log_in(served, "otto"):
        pass
    assert [a.status_code for a in (wrong, nobody)] == [401, 401]
    assert wrong.json() == nobody.json()
    lines = audit(served)
    assert [(line["who"], line["what"]) for line in lines] == [
        ("otto", "login failed"),
        ("nobody", "login failed"),
        ("otto", "login"),
    ]
    assert {line["address"] for line in lines} == {"127.0.0.1"}
    assert "otto trigger" not in (served.folder / "audit.jsonl").read_text()


def test_session_ends_with_logout_removal_and_a_new_password(served: Served, users: Path) -> None:
    with log_in(served, "otto") as client:
        cookie = dict(client.cookies)
        assert client.post("/api/logout").status_code == 204
        client.cookies.update(cookie)
        assert client.get("/api/health").status_code == 401
    with log_in(served, "vera") as client:
        remove_user(users, "vera")
        assert client.get("/api/health").status_code == 401
    with log_in(served, "erna") as client:
        remove_user(users, "erna")
        add_password(users, "erna", "engineer", "another password")
        assert client.get("/api/health").status_code == 401


def test_stream_of_somebody_who_is_removed_ends(served: Served, users: Path) -> None:
    with log_in(served, "vera") as client, client.stream("GET", "/api/events") as events:
        lines = events.iter_lines()
        next(lines)
        remove_user(users, "vera")
        for _ in lines:  # ends by itself
            pass


def test_token_is_enough_for_a_program_and_needs_no_mark(served: Served, users: Path) -> None:
    token = add_token(users, "mes", "operator")
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=served.url, headers=headers, trust_env=False) as client:
        assert client.get("/api/me").json()["name"] == "mes"
        assert client.post("/api/product", json={"product": "nut"}).status_code == 200
        assert client.put("/api/recipes/nut/threshold", json={"score": 1}).status_code == 403
    assert (audit(served)[-1]["who"], audit(served)[-1]["new"]) == ("mes", "nut")


def test_guessing_tokens_is_slowed_down_and_the_right_one_still_works(
    served: Served, users: Path
) -> None:
    token = add_token(users, "mes", "viewer")
    with httpx.Client(base_url=served.url, trust_env=False) as client:
        answers = [
            client.get("/api/health", headers={"Authorization": f"Bearer guess-{n}"})
            for n in range(25)
        ]
        right = client.get("/api/parts", headers={"Authorization": f"Bearer {token}"})
    statuses = [a.status_code for a in answers]
    assert statuses == [401] * 20 + [429] * 5
    assert int(answers[-1].headers["Retry-After"]) > 0
    assert right.status_code == 200


def test_guessing_passwords_is_slowed_down(served: Served) -> None:
    with served.client() as client:
        guesses = [
            client.post("/api/login", json={"name": "otto", "password": f"guess number {n}"})
            for n in range(7)
        ]
        right = client.post("/api/login", json={"name": "otto", "password": PASSWORDS["otto"]})
    assert [a.status_code for a in guesses] == [401] * 5 + [429] * 2
    assert right.status_code == 429
    with log_in(served, "vera"):
        pass  # others get in


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Origin": "{url}.evil.example"},
        {"Origin": "{url}", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://[", "X-Res2clip": "1"},
        {"Sec-Fetch-Site": "same-site", "X-Res2clip": "1"},
        {},
    ],
)
def test_change_that_another_site_sends_is_refused(served: Served, headers: dict[str, str]) -> None:
    with log_in(served, "otto") as client:
        cookies = dict(client.cookies)
    headers = {name: value.format(url=served.url) for name, value in headers.items()}
    with httpx.Client(
        base_url=served.url, headers=headers, cookies=cookies, trust_env=False
    ) as foreign:
        for path in ("/api/product", "/api/trigger", "/api/login", "/api/logout", "/api/tray"):
            answer = foreign.post(path, content=b'{"product": "nut"}')
            assert answer.status_code == 403, (path, answer.text)
    assert served.run.line.health().product == "washer"


def test_local_page_is_guarded_against_other_sites_too(serve: Serve) -> None:
    served = serve()
    with httpx.Client(base_url=served.url, trust_env=False) as client:
        form = {"Origin": "http://evil.example", "Content-Type": "text/plain"}
        post = client.post("/api/product", content=b'{"product": "nut"}', headers=form)
        read = client.get("/api/live.jpg", headers={"Sec-Fetch-Site": "cross-site"})
        own = client.post("/api/product", json={"product": "nut"}, headers={"Origin": served.url})
    assert (post.status_code, read.status_code, own.status_code) == (403, 403, 200)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("evil.example", 421),
        ("evil.example:80", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1@evil.example", 421),
        ("evil.example/127.0.0.1", 421),
        ("", 421),
        ("localhost:x", 421),
        ("localhost", 200),
        ("LOCALHOST:1234", 200),
        ("127.0.0.1", 200),
        ("[::1]:8109", 200),
        ("panel3.example", 200),
    ],
)
def test_request_for_a_foreign_host_is_refused(serve: Serve, host: str, status: int) -> None:
    served = serve(names=("panel3.example",))
    served.run.await_ready()
    with socket.create_connection(("127.0.0.1", served.web.port), timeout=10) as raw:
        raw.sendall(f"GET /api/health HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        answer = raw.recv(100)
    assert answer.split()[1] == str(status).encode()


def test_every_answer_carries_the_headers_that_protect_it(served: Served) -> None:
    with served.client() as client:
        answers = [client.get(path) for path in ("/", "/api/me", "/api/health", "/nowhere")]
    for answer in answers:
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert "server" not in answer.headers
        assert "access-control-allow-origin" not in answer.headers


def test_cookie_is_out_of_reach_of_scripts_and_other_sites(served: Served) -> None:
    with served.client() as client:
        answer = client.post("/api/login", json={"name": "vera", "password": PASSWORDS["vera"]})
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert f"res2clip-{served.web.port}=" in cookie  # another line's cookie has another name


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tls_files(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def secure(serve: Serve, users: Path, tls: Path) -> Iterator[Served]:
    served = serve(
        host="0.0.0.0",
        users_file=users,
        certificate=tls / "server.crt",
        private_key=tls / "server.key",
    )
    served.run.await_ready()
    yield served


def test_beyond_this_machine_everything_goes_over_tls(secure: Served, tls: Path) -> None:
    url = f"https://127.0.0.1:{secure.web.port}"
    trusted = ssl.create_default_context(cafile=tls / "ca.crt")
    with httpx.Client(base_url=url, verify=trusted, trust_env=False) as client:
        headers = {"Origin": url}
        answer = client.post(
            "/api/login", json={"name": "vera", "password": PASSWORDS["vera"]}, headers=headers
        )
        assert answer.status_code == 200
        assert answer.headers["Set-Cookie"].startswith(f"__Host-res2clip-{secure.web.port}=")
        assert "Secure" in answer.headers["Set-Cookie"]
        assert client.get("/api/health").status_code == 200
        plain = {"Origin": url.replace("https", "http")}
        assert client.post("/api/logout", headers=plain).status_code == 403
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(f"{url}/api/me", trust_env=False)
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"{url.replace('https', 'http')}/api/me", trust_env=False)


def test_connections_that_never_begin_tls_are_bounded_and_closed(
    serve: Serve, users: Path, tls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_server, "MOST", 5)
    monkeypatch.setattr(bounded_server, "HANDSHAKE_S", 0.5)
    files = {"certificate": tls / "server.crt", "private_key": tls / "server.key"}
    served = serve(users_file=users, **files)
    trusted = ssl.create_default_context(cafile=tls / "ca.crt")
    with ExitStack() as stack:
        address = ("127.0.0.1", served.web.port)
        silent = [
            stack.enter_context(socket.create_connection(address, timeout=20)) for _ in range(9)
        ]
        for raw in silent:
            assert raw.recv(1) == b""  # closed: at once beyond the bound, the others in time
    answer = httpx.get(f"{served.url}/api/me", verify=trusted, trust_env=False)
    assert answer.status_code == 200


def test_old_tls_is_refused(secure: Served) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        old.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        socket.create_connection(("127.0.0.1", secure.web.port), timeout=10) as raw,
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        old.wrap_socket(raw)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"host": "0.0.0.0"}, "which others on the network can reach; give web.users_file"),
        ({"host": "192.0.2.1", "users_file": Path("u")}, "web.certificate and web.private_key"),
        ({"host": "::", "certificate": Path("c"), "private_key": Path("k")}, "web.users_file"),
        ({"certificate": Path("c")}, "belong together"),
        ({"port": 70000}, "web.port is 70000"),
        ({"fps": 0}, "web.fps is 0"),
        ({"keep_parts": 0}, "web.keep_parts is 0"),
        ({"upload_mb": -1}, "web.upload_mb is -1"),
        ({"names": ("a b",)}, "web.names is 'a b'"),
    ],
)
def test_unsafe_or_senseless_settings_are_refused(
    settings: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        WebConfig(**settings)  # type: ignore[arg-type]


def test_what_is_missing_at_the_start_is_said(serve: Serve, tmp_path: Path, tls: Path) -> None:
    with pytest.raises(ArtefactNotFoundError, match="res2clip-run users add"):
        serve(users_file=tmp_path / "none.toml")
    (tmp_path / "bad.key").write_text("no key")
    with pytest.raises(InputError, match=r"web.certificate: cannot use"):
        serve(certificate=tls / "server.crt", private_key=tmp_path / "bad.key")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        serve(folder=tmp_path / "file" / "page")


def test_too_many_requests_of_one_client_are_told_to_wait(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served.client() as client:
        answers = [client.get("/api/me") for _ in range(20)]
    assert {a.status_code for a in answers} == {200}  # far below the limit
    limit = RateLimit(per_s=0.001, burst=3)
    assert [limit.take("a") == 0 for _ in range(5)] == [True, True, True, False, False]
    assert limit.take("b") == 0
    assert limit.wait_s("a") > 100


def test_clients_of_one_ipv6_network_are_one() -> None:
    assert client_key("2001:db8::1") == client_key("2001:db8::2:3:4:5")
    assert client_key("::ffff:192.0.2.1") == "192.0.2.1"
    assert client_key("192.0.2.1") != client_key("192.0.2.2")


def test_sessions_are_bounded_and_the_oldest_of_a_user_go() -> None:
    sessions = Sessions()
    cookies = [sessions.begin("vera", "stamp") for _ in range(21)]
    assert sessions.find(cookies[0]) is None
    assert sessions.find(cookies[1]) == ("vera", "stamp")
    assert sessions.find("guess") is None


def test_session_that_is_not_used_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    from res2clip_runtime.web import sessions as module

    sessions = Sessions()
    cookie = sessions.begin("vera", "stamp")
    monkeypatch.setattr(module, "IDLE_S", -1.0)
    assert sessions.find(cookie) is None
