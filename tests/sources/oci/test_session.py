"""Credentials: sent to whom they belong, found where docker, oras and podman keep them, and shown to nobody."""

from __future__ import annotations

import base64
import json
import os
import stat
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.docker_registry import DockerRegistry
from tests.sources.oci.fake import MANIFEST, FakeRegistry, Said, model_of
from weighlock.errors import SourceError
from weighlock.sources.exchange import Exchange
from weighlock.sources.interface import Silence
from weighlock.sources.oci.challenge import check_realm, parse_challenge
from weighlock.sources.oci.copying import copy
from weighlock.sources.oci.logins import IDENTITY, find_login
from weighlock.sources.oci.models import OciModels
from weighlock.sources.oci.registry import Registry
from weighlock.sources.oci.upload import upload_bytes
from weighlock.sources.quarantine import Quarantine
from weighlock.sources.transport import NotFoundError, Transport

SECRET = "hunter2-of-the-tests"  # noqa: S105 - of nobody  # noqa: S105 - of nobody


def basic(user="ann", password=SECRET):
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def environ(tmp_path, document):
    (tmp_path / "login").mkdir(exist_ok=True)
    (tmp_path / "login" / "config.json").write_text(json.dumps(document))
    return {"DOCKER_CONFIG": str(tmp_path / "login"), "PATH": os.environ["PATH"], "HOME": str(tmp_path)}


def logged_in(tmp_path, host, entry=None):
    return environ(tmp_path, {"auths": {host: entry or {"auth": basic()}}})


class Tokens:
    """A token service that is right for one login."""

    def __init__(self, fake, registry=None, expected=None):
        self.fake = fake
        self.valid = "token-1"
        self.expected = f"Basic {basic()}" if expected is None else expected
        realm = f"http://{fake.host}/token"
        for path in ("/v2/",):
            (registry or fake).rule(path, lambda heard: self.guard(heard, realm))
        fake.rule("/token", self.give)

    def guard(self, heard, realm):
        if heard.headers.get("authorization") == f"Bearer {self.valid}":
            return None
        challenge = f'Bearer realm="{realm}",service="tests",scope="repository:somebody/else:pull,push,delete"'
        return Said(401, {"WWW-Authenticate": challenge})

    def give(self, heard):
        if heard.headers.get("authorization") != self.expected:
            return Said(401)
        return Said(data=json.dumps({"token": self.valid}).encode())


def test_a_token_is_asked_for_once_and_for_what_is_wanted(fake, tmp_path):
    digest = fake.model("v1", **{"a.bin": b"a"})
    Tokens(fake)
    registry = Registry(environ=logged_in(tmp_path, fake.host))
    assert registry.resolve(fake.repository, "v1") == digest
    registry.manifest(fake.repository, digest)
    (asked,) = fake.asked("GET", "/token")
    assert parse_qs(urlsplit(asked.path).query) == {"service": ["tests"], "scope": ["repository:team/net:pull"]}
    assert len(fake.asked("GET", "/v2/")) == 3  # one of them to learn that a token is wanted


def test_nobody_is_told_a_password_that_is_another_hosts(fake, tmp_path):
    Tokens(fake)
    registry = Registry(environ=logged_in(tmp_path, "registry.example"))
    with pytest.raises(SourceError, match="refuses"):
        registry.resolve(fake.repository, "v1")
    assert not [heard for heard in fake.heard if "authorization" in heard.headers]


def test_a_registry_that_always_asks_again_is_asked_twice(fake, tmp_path):
    fake.rule("/v2/", Said(401, {"WWW-Authenticate": 'Basic realm="x"'}))
    with pytest.raises(SourceError) as caught:
        Registry(environ=logged_in(tmp_path, fake.host)).resolve(fake.repository, "v1")
    assert len(fake.heard) == 2
    assert SECRET not in f"{caught.value} {caught.value.hint}"
    assert "docker login" in (caught.value.hint or "")


def test_a_registry_that_wants_a_token_again_and_again_is_asked_twice(fake, tmp_path):
    Tokens(fake).guard = lambda _heard, realm: Said(401, {"WWW-Authenticate": f'Bearer realm="{realm}"'})
    with pytest.raises(SourceError):
        Registry(environ=logged_in(tmp_path, fake.host)).resolve(fake.repository, "v1")
    assert len(fake.asked("GET", "/v2/")) == 2
    assert len(fake.asked("GET", "/token")) == 1


def test_an_expired_token_is_replaced(fake, tmp_path):
    digest = fake.model("v1", **{"a.bin": b"a" * 100})
    tokens = Tokens(fake)
    registry = Registry(environ=logged_in(tmp_path, fake.host))
    client = OciModels(registry, Transport(), tmp_path / "q", Silence())
    listing = client.list(type("R", (), {"repository": fake.repository, "ref": "v1"})(), None, upgrade=False)
    assert listing.source.revision == digest
    tokens.valid = "token-2"
    with Quarantine(tmp_path / "q", Silence()) as quarantine:
        fetched = client.fetch(listing.source, listing.files[0], quarantine, Transport(), Silence())
        assert fetched.place.read_bytes() == b"a" * 100
    tokens.valid = "token-3"
    assert registry.resolve(fake.repository, "v1") == digest


def test_a_redirect_to_another_host_carries_no_login(fake, tmp_path):
    with FakeRegistry() as store:
        digest = fake.model("v1", **{"a.bin": b"a" * 100})
        blob = next(iter(fake.blobs))
        store.rule("/stored", Said(data=b"a" * 100))
        fake.rule(f"/v2/team/net/blobs/{blob}", Said(307, {"Location": f"http://{store.host}/stored?signed=1"}))
        fake.rule(
            "/v2/", lambda heard: None if "authorization" in heard.headers else Said(401, {"WWW-Authenticate": "Basic"})
        )
        registry = Registry(environ=logged_in(tmp_path, fake.host))
        client = OciModels(registry, Transport(), tmp_path / "q", Silence())
        listing = client.list(type("R", (), {"repository": fake.repository, "ref": digest})(), None, upgrade=False)
        with Quarantine(tmp_path / "q", Silence()) as quarantine:
            client.fetch(listing.source, listing.files[0], quarantine, Transport(), Silence())
        assert registry.blob(fake.repository, blob, 1000) == b"a" * 100
        assert len(store.heard) == 2
        assert not [heard for heard in store.heard if "authorization" in heard.headers]


def test_a_redirect_of_the_realm_carries_no_password(fake, tmp_path):
    with FakeRegistry() as other:
        Tokens(fake).give = None
        fake.rules.insert(0, ("/token", lambda _heard: Said(302, {"Location": f"http://{other.host}/token"})))
        with pytest.raises(SourceError):
            Registry(environ=logged_in(tmp_path, fake.host)).resolve(fake.repository, "v1")
        assert other.heard
        assert not [heard for heard in other.heard if "authorization" in heard.headers]


@pytest.mark.parametrize(
    "realm",
    [
        "http://evil.example/token",
        "ftp://127.0.0.1/x",
        "http://",
        "//127.0.0.1/t",
        "https://u:p@evil.example/",
        "x",
        "https://a b/",
    ],
)  # fmt: skip
def test_a_realm_to_which_nobody_may_send_a_password_is_refused(fake, tmp_path, realm):
    fake.rule("/v2/", Said(401, {"WWW-Authenticate": f'Bearer realm="{realm}",service="x"'}))
    with pytest.raises(SourceError) as caught:
        Registry(environ=logged_in(tmp_path, fake.host)).resolve(fake.repository, "v1")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("realm", "registry", "allow", "good"),
    [
        ("https://auth.example/t", "https://registry.example", False, True),
        ("http://registry.example/t", "https://registry.example", True, False),  # away from https
        ("http://127.0.0.1:1/t", "https://registry.example", True, False),  # into this machine
        ("http://127.0.0.1:1/t", "http://registry.example", True, False),
        ("http://registry.example/t", "http://registry.example:5000", True, True),
        ("http://registry.example/t", "http://registry.example:5000", False, False),
        ("http://other.example/t", "http://registry.example", True, False),
        ("http://localhost:5001/t", "http://127.0.0.1:5000", False, True),
        ("https://auth.example/t", "http://127.0.0.1:5000", False, True),
    ],
)
def test_where_tokens_may_be_asked_for(realm, registry, allow, good):
    if good:
        assert check_realm(realm, registry, allow_http=allow) == realm
    else:
        with pytest.raises(SourceError):
            check_realm(realm, registry, allow_http=allow)


@pytest.mark.parametrize(
    ("header", "scheme", "realm"),
    [
        ('Bearer realm="https://a/t",service="s",scope="x"', "bearer", "https://a/t"),
        ('bearer REALM="https://a/t"', "bearer", "https://a/t"),
        ('Basic realm="x"', "basic", ""),
        ("Basic", "basic", ""),
        ('Basic realm="x", Bearer realm="https://a/t",service="s"', "bearer", "https://a/t"),
        ('Negotiate, Basic realm="a \\"quoted\\" one"', "basic", ""),
        ('Bearer realm="https://a/t", realm="https://b/t"', "bearer", "https://a/t"),
        ("Bearer realm=https://a/t", "bearer", "https://a/t"),
    ],
)
def test_challenges(header, scheme, realm):
    found = parse_challenge(header, "x")
    assert (found.scheme, found.realm) == (scheme, realm)


@pytest.mark.parametrize(
    "header", [None, "", "Digest nonce=1", "Bearer", 'Bearer service="x"', "=", '"', "Bearer realm=" * 3000]
)
def test_challenges_that_nobody_understands(header):
    with pytest.raises(SourceError, match="kind of login"):
        parse_challenge(header, "x")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b'{"token":1}',
        b'{"token":"a b"}',
        b'{"token":"a\\r\\nX: y"}',
        b'{"token":""}',
        b'{"token":"' + b"a" * 70000 + b'"}',
    ],
)
def test_a_token_that_cannot_be_sent_is_refused(fake, tmp_path, data):
    Tokens(fake)
    fake.rules.insert(0, ("/token", lambda _heard: Said(data=data)))
    with pytest.raises(SourceError, match="token"):
        Registry(environ=logged_in(tmp_path, fake.host)).resolve(fake.repository, "v1")


def test_an_identity_token_is_exchanged_and_not_sent_to_the_registry(fake, tmp_path):
    digest = fake.model("v1", **{"a.bin": b"a"})
    tokens = Tokens(fake)

    def give(heard):
        form = parse_qs(heard.data.decode())
        assert form["grant_type"] == ["refresh_token"]
        return (
            Said(data=json.dumps({"access_token": tokens.valid}).encode())
            if form["refresh_token"] == [SECRET]
            else None
        )

    fake.rules.insert(0, ("/token", give))
    registry = Registry(environ=logged_in(tmp_path, fake.host, {"identitytoken": SECRET}))
    assert registry.resolve(fake.repository, "v1") == digest
    assert not [heard for heard in fake.asked("GET") if SECRET in str(heard.headers)]


class TestLogins:
    def test_where_they_are_found(self, tmp_path):
        env = environ(tmp_path, {"auths": {"a.example": {"auth": basic("docker")}}})
        assert find_login("a.example", "x", env).user == "docker"
        assert find_login("b.example", "x", env) is None
        (tmp_path / "podman.json").write_text(json.dumps({"auths": {"a.example": {"auth": basic("podman")}}}))
        assert (
            find_login("a.example", "x", {**env, "REGISTRY_AUTH_FILE": str(tmp_path / "podman.json")}).user == "podman"
        )
        text = json.dumps({"auths": {"a.example": {"auth": basic("variable")}}})
        assert find_login("a.example", "x", {**env, "DOCKER_AUTH_CONFIG": text}).user == "variable"
        (tmp_path / "containers").mkdir()
        (tmp_path / "containers" / "auth.json").write_text(json.dumps({"auths": {"c.example": {"auth": basic("run")}}}))
        assert find_login("c.example", "x", {**env, "XDG_RUNTIME_DIR": str(tmp_path)}).user == "run"

    def test_the_login_of_the_longest_part_of_the_path_counts(self, tmp_path):
        auths = {"a.example": {"auth": basic("all")}, "a.example/team": {"auth": basic("team")}}
        env = environ(tmp_path, {"auths": auths})
        assert find_login("a.example", "team/net", env).user == "team"
        assert find_login("a.example", "teams/net", env).user == "all"

    def test_names_of_docker_hub(self, tmp_path):
        env = environ(tmp_path, {"auths": {"https://index.docker.io/v1/": {"auth": basic("hub")}}})
        assert find_login("docker.io", "x", env).user == "hub"
        assert find_login("evil.example", "x", env) is None

    @pytest.mark.parametrize(
        "entry", [{}, {"auth": "!"}, {"auth": ""}, {"auth": basic()[:-3] + "*"}, "x", None, {"auth": 5}]
    )
    def test_an_entry_that_is_none(self, tmp_path, entry):
        assert find_login("a.example", "x", environ(tmp_path, {"auths": {"a.example": entry}})) is None

    @pytest.mark.parametrize("text", ["", "[]", "{", "x" * (2 << 20)])
    def test_a_configuration_that_is_none_is_said(self, tmp_path, text):
        env = environ(tmp_path, {})
        (tmp_path / "login" / "config.json").write_text(text)
        with pytest.raises(SourceError, match="configuration of docker"):
            find_login("a.example", "x", env)

    def helper(self, tmp_path, name, script):
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        place = folder / f"docker-credential-{name}"
        place.write_text(f"#!/bin/sh\n{script}\n")
        place.chmod(place.stat().st_mode | stat.S_IXUSR)
        return str(folder)

    def test_a_helper_is_asked_for_its_host(self, tmp_path):
        said = json.dumps({"Username": "ann", "Secret": SECRET})
        folder = self.helper(tmp_path, "mine", f'read server; [ "$1 $server" = "get a.example" ] && echo \'{said}\'')
        env = {**environ(tmp_path, {"credHelpers": {"a.example": "mine"}}), "PATH": f"{folder}:/usr/bin:/bin"}
        login = find_login("a.example", "x", env)
        assert (login.user, login.password) == ("ann", SECRET)
        assert SECRET not in repr(login)
        assert find_login("b.example", "x", env) is None
        env = {**environ(tmp_path, {"credsStore": "mine"}), "PATH": f"{folder}:/usr/bin:/bin"}
        assert find_login("a.example", "x", env).user == "ann"

    def test_a_helper_may_give_an_identity_token(self, tmp_path):
        said = json.dumps({"Username": IDENTITY, "Secret": SECRET})
        folder = self.helper(tmp_path, "mine", f"echo '{said}'")
        env = {**environ(tmp_path, {"credsStore": "mine"}), "PATH": f"{folder}:/usr/bin:/bin"}
        assert find_login("a.example", "x", env).user == IDENTITY

    @pytest.mark.parametrize("script", ["exit 1", "echo", "echo '[]'", "echo '{\"Secret\": 5}'", "kill $$"])
    def test_a_helper_that_has_nothing(self, tmp_path, script):
        folder = self.helper(tmp_path, "mine", script)
        env = {**environ(tmp_path, {"credsStore": "mine"}), "PATH": f"{folder}:/usr/bin:/bin"}
        assert find_login("a.example", "x", env) is None

    @pytest.mark.parametrize("name", ["../../bin/evil", "/bin/sh", "a b", "", "a;b", "-x", "a/b", 5, {}])
    def test_a_helper_whose_name_is_a_path_is_not_started(self, tmp_path, name):
        env = environ(tmp_path, {"credHelpers": {"a.example": name}, "credsStore": "absent"})
        if not name:
            assert find_login("a.example", "x", env) is None
            return
        with pytest.raises(SourceError, match="credential helper"):
            find_login("a.example", "x", env)

    def test_a_helper_that_is_not_installed_is_no_login(self, tmp_path):
        assert find_login("a.example", "x", environ(tmp_path, {"credsStore": "absent"})) is None


def test_a_real_registry_with_passwords(tmp_path):
    with DockerRegistry(tmp_path / "registry", users={"ann": SECRET}) as running:
        repository = f"{running.host}/net"
        registry = Registry(environ=logged_in(tmp_path, running.host))
        upload_bytes(registry, repository, b"a")
        with pytest.raises(SourceError) as caught:
            upload_bytes(Registry(environ={"HOME": str(tmp_path)}), repository, b"b")
        assert "refuses: 401" in str(caught.value)
        wrong = Registry(environ=logged_in(tmp_path, running.host, {"auth": basic("ann", "wrong")}))
        with pytest.raises(SourceError):
            upload_bytes(wrong, repository, b"b")
        assert SECRET not in running.log()


def signed_tokens(folder):
    """Return a certificate file, and what makes tokens that the registry verifies by it."""
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tests")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(hours=1))
    certificate = builder.sign(key, hashes.SHA256())
    file = folder / "root.pem"
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    der = base64.b64encode(certificate.public_bytes(serialization.Encoding.DER)).decode()

    def encoded(value):
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    def token(scopes):
        access = [dict(zip(("type", "name"), scope.split(":")[:2], strict=True)) for scope in scopes]
        for entry, scope in zip(access, scopes, strict=True):
            entry["actions"] = scope.split(":")[2].split(",")
        seconds = int(now.timestamp())
        claims = {"iss": "tests", "aud": "registry", "sub": "ann", "access": access, "jti": "1"}
        claims |= {"iat": seconds, "nbf": seconds - 60, "exp": seconds + 600}
        text = f"{encoded({'typ': 'JWT', 'alg': 'ES256', 'x5c': [der]})}.{encoded(claims)}"
        r, s = decode_dss_signature(key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{text}.{encoded(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"

    return file, token


def test_a_real_registry_with_tokens(fake, tmp_path):
    """Nobody gets more than was asked for: pulling asks for pull, pushing for both, mounting for the origin as well."""
    file, token = signed_tokens(tmp_path)

    def give(heard):
        assert heard.headers.get("authorization") == f"Basic {basic()}"
        return Said(data=json.dumps({"token": token(parse_qs(urlsplit(heard.path).query)["scope"])}).encode())

    fake.rule("/token", give)
    options = {"realm": f"http://{fake.host}/token", "service": "registry", "issuer": "tests"}
    with DockerRegistry(tmp_path / "registry", token={**options, "rootcertbundle": str(file)}) as running:
        registry = Registry(environ=logged_in(tmp_path, running.host))
        repository, other = f"{running.host}/team/net", f"{running.host}/prod/net"
        config = upload_bytes(registry, repository, b"{}")
        assert config == "uploaded"
        data = json.dumps(model_of({}, {})).encode()
        registry.put_manifest(repository, data, MANIFEST, "v1")
        digest = Registry(environ=logged_in(tmp_path, running.host)).resolve(repository, "v1")
        assert copy(registry, repository, other, digest, "v1", transport=Transport()) == digest
        registry.delete(repository, digest)
        with pytest.raises(NotFoundError):
            registry.resolve(repository, "v1")
        assert registry.resolve(other, "v1") == digest
    scopes = [parse_qs(urlsplit(heard.path).query)["scope"] for heard in fake.asked("GET", "/token")]
    assert ["repository:team/net:pull"] in scopes
    assert ["repository:team/net:pull,push"] in scopes
    assert ["repository:prod/net:pull,push", "repository:team/net:pull"] in scopes


@pytest.fixture
def tls(tmp_path):
    """A certificate for another address of this machine, and its key."""
    from datetime import UTC, datetime, timedelta
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tests")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(hours=1))
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.2"))])
    builder = builder.add_extension(names, critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    files = tmp_path / "tls.pem", tmp_path / "tls.key"
    files[0].write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    pem, pkcs8, none = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    files[1].write_bytes(key.private_bytes(pem, pkcs8, none))
    return tuple(map(str, files))


def test_a_real_registry_over_https(tmp_path, tls, monkeypatch):
    with DockerRegistry(tmp_path / "registry", address="127.0.0.2", tls=tls, users={"ann": SECRET}) as running:
        repository, environ = f"{running.host}/net", logged_in(tmp_path, running.host)
        for allow_http in (False, True):
            with pytest.raises(SourceError, match="certificate") as caught:
                upload_bytes(Registry(environ=environ, allow_http=allow_http), repository, b"a")
            assert SECRET not in str(caught.value)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", tls[0])
        for allow_http in (False, True):
            registry = Registry(environ=environ, allow_http=allow_http)
            upload_bytes(registry, repository, b"a")
            assert registry.session(repository).base == f"https://{running.host}"


def test_a_real_registry_without_https_on_another_machine(tmp_path):
    with DockerRegistry(tmp_path / "registry", address="127.0.0.2") as running:
        repository = f"{running.host}/net"
        with pytest.raises(SourceError) as caught:
            upload_bytes(Registry(), repository, b"a")
        assert "--allow-http" in (caught.value.hint or "")
        assert upload_bytes(Registry(allow_http=True), repository, b"a") == "uploaded"


def test_https_is_asked_first_where_http_is_allowed(monkeypatch):
    asked = []

    def ask(self, method, url, *_arguments, **_options):
        from weighlock.sources.transport import TransientError

        asked.append(url)
        raise TransientError("nobody")

    monkeypatch.setattr(Exchange, "ask", ask)
    session = Registry(allow_http=True).session("registry.example:5000/net")
    assert session.base == "http://registry.example:5000"
    assert asked == ["https://registry.example:5000/v2/"]
    assert Registry().session("registry.example/net").base == "https://registry.example"
    assert Registry().session("localhost:5000/net").base == "http://localhost:5000"
    assert Registry().session("docker.io/library/net").base == "https://registry-1.docker.io"
    assert len(asked) == 1
