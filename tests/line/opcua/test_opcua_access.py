"""Who may do what: certificates, users, roles, and strangers that know the library's weak spots."""

from __future__ import annotations

import shutil
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from line.components.opcua_client import BadStatus, OpcuaClient
from line.components.served_line import Identity, Serve, Served

from res2clip_runtime.errors import ArtefactNotFoundError, InputError, OutputError
from res2clip_runtime.inspector import Inspector
from res2clip_runtime.opcua import OpcuaConfig, OpcuaServer
from res2clip_runtime.opcua.login_limit import WAIT_S, LoginLimit
from res2clip_runtime.opcua.own_certificate import own_certificate
from res2clip_runtime.service.users import add_password, add_token, remove_user

NETWORK = "127.0.0.2"
"""Not the loopback of the configuration, so the server treats it as the plant's network."""
PASSWORD = "correct horse battery"
MakeIdentity = Callable[[str], Identity]
pytestmark = pytest.mark.skipif(
    not Path("/proc/net").exists(), reason="127.0.0.2 is an address of its own on Linux only"
)


@pytest.fixture(scope="module")
def users(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("users") / "users.toml"
    for name, role in (("vera", "viewer"), ("otto", "operator"), ("guessed", "operator")):
        add_password(path, name, role, PASSWORD)  # type: ignore[arg-type]
    return path


@pytest.fixture(scope="module")
def token(users: Path) -> str:
    return add_token(users, "emil", "engineer")


@pytest.fixture(scope="module")
def plant(serve: Serve, film: Path, users: Path, token: str, identity: MakeIdentity) -> Served:
    """A server on the network that trusts the certificate of ``scada``."""
    served = serve(film, host=NETWORK, users_file=users)
    shutil.copy(identity("scada").certificate, served.folder / "trusted" / "scada.der")
    return served


@pytest.fixture
def client() -> Iterator[OpcuaClient]:
    with OpcuaClient() as client:
        yield client


def enter(
    client: OpcuaClient,
    plant: Served,
    who: Identity,
    user: str,
    password: str,
    policy: str = "Basic256Sha256",
) -> None:
    security = who.security(plant.folder / "own" / "certificate.der", policy)
    client.connect(plant.server.port, user, password, security, who.uri, host=NETWORK)


def refusal(work: Callable[[], object]) -> str:
    with pytest.raises(BadStatus) as caught:
        work()
    return str(caught.value)


def test_on_the_network_only_encrypted_endpoints_for_named_users_are_offered(
    plant: Served, client: OpcuaClient
) -> None:
    found = client.do("endpoints", f"opc.tcp://{NETWORK}:{plant.server.port}")
    assert found == [
        ["Aes256_Sha256_RsaPss", "SignAndEncrypt", ["UserName"]],
        ["Basic256Sha256", "SignAndEncrypt", ["UserName"]],
    ]


@pytest.mark.parametrize("policy", ["Basic256Sha256", "Aes256Sha256RsaPss"])
def test_an_operator_runs_jobs_by_each_policy(
    plant: Served, client: OpcuaClient, identity: MakeIdentity, policy: str
) -> None:
    enter(client, plant, identity("scada"), "otto", PASSWORD, policy)
    client.await_state("Ready")
    client.do("subscribe")
    (event,) = client.results_of(client.single())
    assert event["decision"] == "OK"


def test_a_viewer_reads_and_subscribes_and_runs_nothing(
    plant: Served, client: OpcuaClient, identity: MakeIdentity, token: str
) -> None:
    enter(client, plant, identity("scada"), "vera", PASSWORD)
    client.do("subscribe")
    client.await_state("Ready")
    triggers = plant.line.line.health().triggers
    for method in ("StartSingleJob", "StartContinuous"):
        assert refusal(lambda m=method: client.machine(m, "", "", "", "")) == "BadUserAccessDenied"
    for method in ("Stop", "Abort", "Reset"):
        assert refusal(lambda m=method: client.machine(m)) == "BadUserAccessDenied"
    assert refusal(lambda: client.prepare("nut")) == "BadUserAccessDenied"
    assert refusal(lambda: client.do("add_node")) == "BadServiceUnsupported"
    assert plant.line.line.health().triggers == triggers
    with OpcuaClient() as engineer:
        enter(engineer, plant, identity("scada"), "emil", token)
        job_id = engineer.single()
    assert client.results_of(job_id)


def test_a_wrong_name_or_password_is_refused_and_so_is_nobody(
    plant: Served, client: OpcuaClient, identity: MakeIdentity
) -> None:
    wrong = (("otto", "wrong"), ("nobody", PASSWORD), ("otto", ""), ("emil", PASSWORD))
    for user, password in wrong:
        status = refusal(lambda u=user, p=password: enter(client, plant, identity("scada"), u, p))
        assert status == "BadUserAccessDenied"
    assert "Bad" in refusal(lambda: enter(client, plant, identity("scada"), "", ""))


def test_a_guesser_is_refused_also_with_the_right_password(
    plant: Served, client: OpcuaClient, identity: MakeIdentity
) -> None:
    for _ in range(5):
        refusal(lambda: enter(client, plant, identity("scada"), "guessed", "a guess of many"))
    status = refusal(lambda: enter(client, plant, identity("scada"), "guessed", PASSWORD))
    assert status == "BadUserAccessDenied"
    with OpcuaClient() as other:  # from the same address
        enter(other, plant, identity("scada"), "otto", PASSWORD)


def test_the_wait_of_a_guesser_ends() -> None:
    limit = LoginLimit()
    for second in range(5):
        assert not limit.blocked("anna", "10.0.0.1", second)
        limit.failed("anna", "10.0.0.1", second)
    assert limit.blocked("anna", "10.0.0.1", 5)
    assert not limit.blocked("anna", "10.0.0.2", 5)
    assert not limit.blocked("bob", "10.0.0.1", 5)
    assert not limit.blocked("anna", "10.0.0.1", 4 + WAIT_S)
    for number in range(25):
        limit.failed(f"name {number}", "10.0.0.1", 100)
    assert limit.blocked("bob", "10.0.0.1", 100)


def test_an_unknown_certificate_is_refused_and_kept_for_a_person_to_move(
    plant: Served, client: OpcuaClient, identity: MakeIdentity
) -> None:
    stranger = identity("stranger")
    status = refusal(lambda: enter(client, plant, stranger, "otto", PASSWORD))
    assert status == "BadCertificateUntrusted"
    (kept,) = (plant.folder / "rejected").iterdir()
    assert kept.read_bytes() == stranger.certificate.read_bytes()
    kept.rename(plant.folder / "trusted" / "panel.der")
    with OpcuaClient() as again:
        enter(again, plant, stranger, "otto", PASSWORD)
    (plant.folder / "trusted" / "panel.der").unlink()


def test_a_certificate_that_names_another_application_is_refused(
    plant: Served, client: OpcuaClient, identity: MakeIdentity
) -> None:
    scada = identity("scada")
    security = scada.security(plant.folder / "own" / "certificate.der")
    where = (plant.server.port, "otto", PASSWORD, security, "urn:another")
    assert refusal(lambda: client.connect(*where, host=NETWORK)) == "BadCertificateUriInvalid"


def test_a_channel_s_certificate_counts_and_not_what_the_request_leaves_out(
    plant: Served, client: OpcuaClient, identity: MakeIdentity
) -> None:
    url = f"opc.tcp://{NETWORK}:{plant.server.port}"
    security = identity("nobody-s").security(plant.folder / "own" / "certificate.der")
    client.do("stranger", url, security)
    assert refusal(lambda: client.do("ask_for_session")) == "BadCertificateUntrusted"
    assert "Bad" in refusal(lambda: client.do("read_clock"))
    for kept in (plant.folder / "rejected").iterdir():
        kept.unlink()


def test_a_session_without_encryption_is_refused_on_the_network(
    plant: Served, client: OpcuaClient
) -> None:
    client.do("stranger", f"opc.tcp://{NETWORK}:{plant.server.port}")
    assert refusal(lambda: client.do("ask_for_session")) == "BadSecurityModeInsufficient"
    assert refusal(lambda: client.do("take_session", 1001)) == "BadSecurityModeInsufficient"


def test_a_stranger_takes_over_no_session(served: Served) -> None:
    with OpcuaClient() as good, OpcuaClient() as stranger:
        good.connect(served.server.port)
        stranger.do("stranger", f"opc.tcp://127.0.0.1:{served.server.port}")
        for token in range(1000, 1040):
            status = refusal(lambda t=token: stranger.do("take_session", t))
            assert status == "BadSessionIdInvalid"
        assert refusal(lambda: stranger.do("read_clock")) == "BadUserAccessDenied"


def test_a_user_who_is_removed_is_out_and_so_is_their_job(
    plant: Served, client: OpcuaClient, identity: MakeIdentity, users: Path
) -> None:
    temporary = add_token(users, "temp", "operator")
    enter(client, plant, identity("scada"), "temp", temporary)
    client.await_state("Ready")
    client.machine("StartContinuous", "", "", "", "")
    remove_user(users, "temp")
    with OpcuaClient() as other:
        enter(other, plant, identity("scada"), "vera", PASSWORD)
        other.await_state("Ready")
    assert refusal(lambda: client.read("Line"))


def test_the_key_is_private_and_the_certificate_stays_over_a_restart(
    plant: Served, tmp_path: Path
) -> None:
    key = plant.folder / "own" / "private_key.pem"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    given = {"certificate": None, "private_key": None, "line": "line3", "host": NETWORK}
    first = own_certificate(tmp_path, **given)  # type: ignore[arg-type]
    assert own_certificate(tmp_path, **given) == first  # type: ignore[arg-type]
    assert first.application_uri == f"urn:{socket.gethostname()}:res2clip:line3"


def test_a_key_of_another_certificate_is_refused(identity: MakeIdentity, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the key is not the certificate's"):
        own_certificate(
            tmp_path,
            certificate=identity("scada").certificate,
            private_key=identity("stranger").folder / "private_key.pem",
            line="x",
            host="x",
        )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"host": "0.0.0.0"}, "opcua.users_file"),
        ({"host": "10.0.0.1"}, "opcua.users_file"),
        ({"port": 70000}, "opcua.port"),
        ({"certificate": Path("a")}, "belong together"),
        ({"clients": 0}, "opcua.clients"),
        ({"job_timeout_s": 0}, "opcua.job_timeout_s"),
    ],
)
def test_a_setting_that_cannot_be_used_is_refused(changes: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        OpcuaConfig(**changes)


def test_a_server_that_cannot_begin_says_why(
    served: Served, inspector: Inspector, tmp_path: Path, users: Path
) -> None:
    line = served.line.line
    taken = OpcuaConfig(port=served.server.port, folder=served.folder)
    with pytest.raises(OutputError, match=r"cannot listen for OPC UA at 127.0.0.1:\d+.*in use"):
        OpcuaServer(taken, line, line="line3", triggers=True)
    missing = OpcuaConfig(port=0, folder=tmp_path, users_file=tmp_path / "none.toml")
    with pytest.raises(ArtefactNotFoundError, match="users add"):
        OpcuaServer(missing, line, line="line3", triggers=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="choose another place"):
        OpcuaServer(OpcuaConfig(port=0, folder=tmp_path / "file"), line, line="x", triggers=True)
