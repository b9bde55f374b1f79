"""Package indexes are asked as pip asks them, and whatever is wrong with one is not taken for "no such project"."""

from __future__ import annotations

import gzip
import json
import os
import socket
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests import index_faults
from tests.index_faults import FaultyIndex
from weighlock.demo.packages import sdist, wheel
from weighlock.errors import DigestMismatchError, SourceError
from weighlock.formats import simple_index
from weighlock.release import IndexFile, ProjectPage
from weighlock.sources import index as module
from weighlock.sources.index import Index, ask_all, configured
from weighlock.sources.pip.interface import Network, PipRequest
from weighlock.sources.transport import Transport
from weighlock.sources.trust import Trust

SPAM = wheel("spam", "1.0", requires=["ham"])
SECRET = "a/secret:of@mine"  # noqa: S105 - it is not
QUOTED = "a%2Fsecret%3Aof%40mine"


@pytest.fixture(autouse=True)
def _no_login(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NETRC", os.devnull)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


def page(server: FaultyIndex, name: str = "spam", **options: Any) -> ProjectPage | None:
    return Index(server.url(), **options).page(name)


def listed(found: ProjectPage | None) -> IndexFile:
    assert found is not None
    assert len(found.files) == 1
    return found.files[0]


@pytest.mark.parametrize("html", [False, True], ids=["json", "html"])
def test_a_page_is_what_the_index_says(html: bool, package_index: FaultyIndex) -> None:  # noqa: FBT001 - a parameter
    package_index.add(SPAM, provenance={"version": 1})
    package_index.html_only = {"simple"} if html else set()
    index = Index(package_index.url())
    found = index.page("Spam")
    assert found is not None
    assert found.index == package_index.url().rstrip("/")
    file = listed(found)
    assert (file.filename, file.sha256) == (SPAM.filename, SPAM.sha256)
    assert file.url == package_index.file_url(SPAM)
    assert index.metadata(file) == SPAM.metadata
    assert json.loads(index.provenance(file) or b"") == {"version": 1}
    assert index.page("ham") is None


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (index_faults.status(500), "500"),
        (index_faults.status(503), "503"),
        (index_faults.status(403), "403"),
        (index_faults.status(410), "410"),
        (index_faults.status(204), "204"),
        (index_faults.status(401), "wants to know who asks"),
        (index_faults.body(b"{"), "not JSON"),
        (index_faults.body(b"<html>log in</html>", "text/plain"), "no page of a package index"),
        (index_faults.body(b"null"), "lists no files"),
        (index_faults.body(b"\x1f\x8b"), "not JSON"),
        (index_faults.redirect(), "redirects more than"),
        (index_faults.redirect("file:///etc/passwd"), "is not a URL"),
        (index_faults.redirect("http://index.example/simple/spam/"), "without encryption"),
        (index_faults.reset_after(20), "connection broke"),
        (index_faults.short(20), "connection broke"),
        (index_faults.endless(), "larger than"),
        (index_faults.edited(lambda body: body["meta"].update({"api-version": "2.0"})), "version 2"),
        (index_faults.edited(lambda body: body.update(name="ham")), "another project"),
    ],
)
def test_an_index_that_fails_is_never_one_without_the_project(
    fault: index_faults.Fault, message: str, package_index: FaultyIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simple_index, "LARGEST", 1 << 20)
    package_index.add(SPAM)
    package_index.fault("/spam/", fault)
    with pytest.raises(SourceError, match=message):
        page(package_index)


def test_an_index_that_is_down_is_not_one_without_the_project() -> None:
    with FaultyIndex() as server:
        url = server.url()
    with pytest.raises(SourceError, match="cannot be reached"):
        Index(url).page("spam")


def test_a_page_that_drips_is_given_up(package_index: FaultyIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SECONDS", 0.05)
    package_index.add(SPAM)
    package_index.fault("/spam/", index_faults.drip(0.01))
    with pytest.raises(SourceError, match="did not come within"):
        page(package_index)


@pytest.mark.parametrize("name", ["", "../spam", "spam/../../x", "spam?x", "späm", "-spam", "spam\n", "a" * 5000 + "%"])
def test_a_name_that_is_none_is_not_asked_for(name: str, package_index: FaultyIndex) -> None:
    with pytest.raises(SourceError, match="not the name of a project"):
        page(package_index, name)
    assert package_index.requests == []


@pytest.mark.parametrize("url", ["https://[broken/simple", "https://host:port/simple", "ftp://index.example/simple"])
def test_what_is_no_url_of_an_index_is_refused(url: str) -> None:
    with pytest.raises(SourceError, match=r"not a URL|not the URL of an index|neither https nor http"):
        Index(url).page("spam")


def test_metadata_with_another_digest_is_refused(package_index: FaultyIndex) -> None:
    package_index.add(SPAM)
    package_index.fault(".metadata", index_faults.body(b"Metadata-Version: 2.1\nName: evil\n"))
    index = Index(package_index.url())
    with pytest.raises(DigestMismatchError, match="not what the index lists"):
        index.metadata(listed(index.page("spam")))


def test_metadata_that_nothing_vouches_for_is_not_used(package_index: FaultyIndex) -> None:
    package_index.add(SPAM)
    package_index.fault("/spam/", index_faults.edited(lambda body: body["files"][0].update({"core-metadata": True})))
    index = Index(package_index.url())
    assert index.metadata(listed(index.page("spam"))) is None
    package_index.add(SPAM, metadata=False)
    package_index.faults.clear()
    assert index.metadata(listed(index.page("spam"))) is None


@pytest.mark.parametrize("fault", [index_faults.status(404), index_faults.status(500)])
def test_provenance_that_is_listed_and_not_there_is_not_absent(
    fault: index_faults.Fault, package_index: FaultyIndex
) -> None:
    package_index.add(SPAM, provenance={"version": 1})
    package_index.fault("provenance", fault)
    index = Index(package_index.url())
    with pytest.raises(SourceError):
        index.provenance(listed(index.page("spam")))
    assert index.provenance(IndexFile(filename="x", url="https://index.example/x")) is None


def test_the_password_in_the_url_opens_the_index_and_appears_nowhere(package_index: FaultyIndex) -> None:
    package_index.add(SPAM)
    package_index.require(f"user:{SECRET}")
    index = Index(package_index.url(user=f"user:{QUOTED}"))
    found = index.page("spam")
    assert listed(found).sha256 == SPAM.sha256
    assert index.metadata(listed(found)) == SPAM.metadata
    package_index.fault("/spam/", index_faults.status(500))
    with pytest.raises(SourceError) as caught:
        index.page("spam")
    said = f"{index!r} {index.url} {found!r} {caught.value} {caught.value.hint} {vars(index)['_login']!r}"
    assert "secret" not in said


def test_a_password_does_not_follow_a_redirect_to_another_host(package_index: FaultyIndex) -> None:
    package_index.add(SPAM)
    seen: list[str | None] = []

    def elsewhere(handler: Any, answer: index_faults.Answer) -> index_faults.Answer:
        seen.append(handler.headers.get("Authorization"))
        target = f"http://localhost:{package_index.port}/simple/ham/"
        return index_faults.Answer(302, headers={"Location": target}) if "spam" in handler.path else answer

    package_index.add(wheel("ham", "1.0"))
    package_index.fault("/simple/", elsewhere)
    with pytest.raises(SourceError, match="another project"):
        Index(package_index.url(user="user:secret")).page("spam")
    assert len(seen) == 2
    assert seen[0] is not None
    assert seen[1] is None


def test_a_file_on_another_host_is_not_asked_with_the_password(package_index: FaultyIndex) -> None:
    seen: list[str | None] = []

    def watch(handler: Any, answer: index_faults.Answer) -> index_faults.Answer:
        seen.append(handler.headers.get("Authorization"))
        return answer

    package_index.add(SPAM)
    package_index.fault("/-/files/", watch)
    index = Index(package_index.url(user="user:secret"))
    file = listed(index.page("spam"))
    elsewhere = file.metadata_url.replace("127.0.0.1", "localhost") if file.metadata_url else None
    index.metadata(file)
    index.metadata(IndexFile(filename="x", url="x", metadata_url=elsewhere, metadata_sha256=file.metadata_sha256))
    assert [bool(header) for header in seen] == [True, False]


def test_netrc_opens_the_index(package_index: FaultyIndex, tmp_path: Path) -> None:
    package_index.add(SPAM)
    package_index.require("user:secret")
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login user password secret\n")
    assert listed(page(package_index, environ={"NETRC": str(netrc)}))
    netrc.write_text("machine 127.0.0.1 login user passw")
    with pytest.raises(SourceError, match="wants to know who asks"):
        page(package_index, environ={"NETRC": str(netrc)})


def _keyring(folder: Path, body: str) -> dict[str, str]:
    folder.mkdir()
    script = folder / "keyring"
    script.write_text(f"#!{sys.executable} -I\nimport sys\nargs = sys.argv[1:]\n{body}")
    script.chmod(0o755)
    return {"PATH": str(folder), "NETRC": os.devnull}


def test_the_keyring_opens_the_index_and_is_asked_once(package_index: FaultyIndex, tmp_path: Path) -> None:
    package_index.add(SPAM)
    package_index.require("user:secret")
    log = tmp_path / "log"
    body = f"open({str(log)!r}, 'a').write(' '.join(args) + '\\n')\n"
    body += 'print(\'{"username": "user", "password": "secret"}\')\n'
    index = Index(package_index.url(), environ=_keyring(tmp_path / "tools", body))
    assert listed(index.page("spam"))
    assert index.page("ham") is None
    assert log.read_text() == f"--mode=creds --output=json get {package_index.url()}\n"


def test_an_old_keyring_is_asked_for_the_user_in_the_url(package_index: FaultyIndex, tmp_path: Path) -> None:
    package_index.add(SPAM)
    package_index.require("user:secret")
    body = "sys.exit(2) if '--mode=creds' in args else None\n"
    body += "print('secret' if args[0] == 'get' and args[2] == 'user' else '')\n"
    environ = _keyring(tmp_path / "tools", body)
    assert listed(Index(package_index.url(user="user"), environ=environ).page("spam"))
    with pytest.raises(SourceError, match="wants to know who asks"):
        Index(package_index.url(user="user"), environ=environ, keyring=False).page("spam")


def test_a_keyring_with_the_wrong_password_ends_in_one_line(package_index: FaultyIndex, tmp_path: Path) -> None:
    package_index.require("user:secret")
    environ = _keyring(tmp_path / "tools", 'print(\'{"username": "user", "password": "old"}\')\n')
    with pytest.raises(SourceError, match="refuses the password of the keyring"):
        page(package_index, environ=environ)


@pytest.mark.parametrize("body", ["print('{')\n", "print('[]')\n", "print('{\"password\": 1}')\n", "sys.exit(1)\n"])
def test_a_keyring_that_knows_nothing_opens_nothing(body: str, package_index: FaultyIndex, tmp_path: Path) -> None:
    package_index.require("user:secret")
    with pytest.raises(SourceError, match="wants to know who asks"):
        page(package_index, environ=_keyring(tmp_path / "tools", body))


def test_a_certificate_that_nobody_vouches_for_is_refused_until_a_person_does(certificate: tuple[Path, Path]) -> None:
    secure = FaultyIndex()
    secure.encrypt(*certificate)
    with secure:
        secure.add(SPAM)
        with pytest.raises(SourceError, match=r"cannot be reached.*CERTIFICATE_VERIFY_FAILED"):
            page(secure)
        for trust in (
            Trust(authorities=str(certificate[0])),
            Trust(hosts=frozenset({"127.0.0.1"})),
            Trust(hosts=frozenset({urlsplit(secure.url()).netloc})),
        ):
            assert listed(page(secure, transport=Transport(trust=trust)))
        for trust in (Trust(hosts=frozenset({"localhost", "127.0.0.1:1"})), Trust(authorities="/no/such/file")):
            with pytest.raises(SourceError, match="certificate"):
                page(secure, transport=Transport(trust=trust))


def test_a_server_that_wants_a_certificate_gets_the_users(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    both = tmp_path / "client.pem"
    both.write_bytes(certificate[0].read_bytes() + certificate[1].read_bytes())
    secure = FaultyIndex()
    secure.encrypt(*certificate, clients=certificate[0])
    with secure:
        secure.add(SPAM)
        with pytest.raises(SourceError):
            page(secure, transport=Transport(trust=Trust(authorities=str(certificate[0]))))
        trust = Trust(authorities=str(certificate[0]), client_certificate=str(both))
        assert listed(page(secure, transport=Transport(trust=trust)))


def test_without_encryption_only_hosts_that_a_person_named_are_asked(package_index: FaultyIndex) -> None:
    package_index.add(SPAM)
    url = package_index.url().replace(f"127.0.0.1:{package_index.port}", "index.example")
    with pytest.raises(SourceError, match="without encryption"):
        Index(url).page("spam")
    # The loopback index is the proxy here: it answers whatever host the URL has.
    trust = Trust(hosts=frozenset({"index.example"}), proxy=f"http://me:{QUOTED}@127.0.0.1:{package_index.port}")
    package_index.fault("", lambda handler, answer: package_index.answer(urlsplit(handler.path).path, handler.headers))
    assert listed(Index(url, transport=Transport(trust=trust)).page("spam"))
    assert package_index.paths() == [f"{url}spam/"]
    assert "secret" not in repr(trust)


def test_an_index_in_a_folder_is_read_as_pip_reads_it(tmp_path: Path) -> None:
    (tmp_path / "simple" / "spam").mkdir(parents=True)
    (tmp_path / "simple" / "ham").mkdir()
    (tmp_path / "simple" / "spam" / "index.html").write_text(
        f'<a href="../../{SPAM.filename}#sha256={SPAM.sha256}" data-core-metadata="sha256={"0" * 64}">x</a>'
    )
    (tmp_path / f"{SPAM.filename}.metadata").write_bytes(SPAM.metadata)
    index = Index(f"file://{tmp_path}/simple/")
    file = listed(index.page("SPAM"))
    assert (file.url, file.sha256) == (f"file://{tmp_path}/{SPAM.filename}", SPAM.sha256)
    assert index.page("ham") is None
    assert index.page("eggs") is None
    with pytest.raises(DigestMismatchError):
        index.metadata(file)


def test_a_page_in_a_folder_that_cannot_be_read_is_not_absent(tmp_path: Path) -> None:
    (tmp_path / "spam" / "index.html").mkdir(parents=True)
    with pytest.raises(SourceError, match="cannot be read"):
        Index(f"file://{tmp_path}").page("spam")


@pytest.mark.parametrize("as_url", [False, True])
def test_a_folder_of_files_has_a_page_for_each_project(as_url: bool, tmp_path: Path) -> None:  # noqa: FBT001 - a parameter
    for package in (SPAM, sdist("spam", "0.9"), wheel("spam-eggs", "1.0")):
        (tmp_path / package.filename).write_bytes(package.data)
    (tmp_path / "more.html").write_text('<a href="https://files.example/spam-2.0.zip">x</a><a href="ham-1.0.zip">x</a>')
    (tmp_path / "README.txt").write_text("spam-3.0.zip")
    index = Index(f"file://{tmp_path}" if as_url else str(tmp_path), links=True)
    found = index.page("spam")
    assert found is not None
    assert {file.filename for file in found.files} == {"spam-0.9.tar.gz", "spam-2.0.zip", SPAM.filename}
    assert found.index == f"file://{tmp_path}"
    assert index.page("eggs") is None
    assert Index(str(tmp_path / "gone"), links=True).page("spam") is None
    assert listed(Index(str(tmp_path / SPAM.filename), links=True).page("spam")).size == len(SPAM.data)


def test_a_page_of_links_is_fetched_once_for_all_projects(package_index: FaultyIndex) -> None:
    links = f'<a href="/x/{SPAM.filename}">x</a> <a href="/x/ham-1.0.zip">x</a>'.encode()
    package_index.add(SPAM)
    package_index.fault(
        "/links", lambda handler, answer: index_faults.Answer(200, links, {"Content-Type": "text/html"})
    )
    index = Index(package_index.url("links"), links=True)
    pages = ask_all([index], ["spam", "ham", "eggs"])
    assert {name: [file.filename for each in found for file in each.files] for name, found in pages.items()} == {
        "spam": [SPAM.filename],
        "ham": ["ham-1.0.zip"],
        "eggs": [],
    }
    assert len(package_index.requests) == 1


def test_all_indexes_are_asked_about_all_names(package_index: FaultyIndex) -> None:
    for number in range(30):
        package_index.add(wheel(f"spam-{number}", "1.0"), "public")
    package_index.add(wheel("spam-3", "9.9"), "private")
    indexes = [Index(package_index.url("private")), Index(package_index.url("public"))]
    pages = ask_all(indexes, [f"Spam_{number}" for number in range(30)] + ["spam.3", "corp"])
    assert [each.index for each in pages["spam-3"]] == [index.url for index in indexes]
    assert pages["corp"] == ()
    assert sum(map(len, pages.values())) == 31
    assert len(package_index.requests) == 62
    assert ask_all([], ["spam"]) == {"spam": ()}
    assert ask_all(indexes, []) == {}


def test_one_index_that_fails_leaves_nothing_known(package_index: FaultyIndex) -> None:
    package_index.add(SPAM, "public")
    package_index.fault("/private/ham/", index_faults.status(502))
    indexes = [Index(package_index.url("public")), Index(package_index.url("private"))]
    with pytest.raises(SourceError, match="502"):
        ask_all(indexes, ["spam", "ham"])


def test_a_server_that_never_ends_its_headers_is_given_up(
    package_index: FaultyIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SECONDS_FOR_ALL", 0.1)
    package_index.fault("/spam/", index_faults.slow_headers(0.01))
    with pytest.raises(SourceError, match="did not answer within"):
        ask_all([Index(package_index.url())], ["spam", "ham"])


def _packed(data: bytes, encoding: str = "gzip", *, cut: int = 0) -> index_faults.Fault:
    packed = gzip.compress(data, mtime=0)
    sent = packed[: len(packed) - cut]
    headers = {"Content-Type": simple_index.JSON, "Content-Encoding": encoding}
    return lambda handler, answer: index_faults.Answer(200, sent, headers)


def test_a_page_may_come_compressed(package_index: FaultyIndex) -> None:
    package_index.fault("/spam/", _packed(b'{"meta": {"api-version": "1.0"}, "name": "spam", "files": []}'))
    assert page(package_index) == ProjectPage(index=package_index.url().rstrip("/"), name="spam")


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (_packed(b"0" * (80 << 20)), "is larger than"),  # 80 kB that become 80 MB
        (_packed(b'{"files": []}', cut=4), "broke in the middle"),
        (_packed(b'{"files": []}', "br"), "encoded bytes that were not asked for"),
        (_packed(b'{"files": []}', "gzip, gzip"), "encoded bytes that were not asked for"),
        (
            lambda handler, answer: index_faults.Answer(200, b"{}", {"Content-Encoding": "gzip"}),
            "cannot be unpacked",
        ),
        (
            lambda handler, answer: index_faults.Answer(
                200, gzip.compress(b"{") + gzip.compress(b"}"), {"Content-Encoding": "gzip"}
            ),
            "broke in the middle",
        ),
    ],
)
def test_a_compressed_page_is_unpacked_within_bounds(
    fault: index_faults.Fault, message: str, package_index: FaultyIndex
) -> None:
    package_index.fault("/spam/", fault)
    with pytest.raises(SourceError, match=message):
        page(package_index)


def test_a_host_is_looked_up_once_for_many_pages(package_index: FaultyIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    honest = socket.getaddrinfo

    def counted(host: str, *arguments: Any, **options: Any) -> Any:
        asked.append(host)
        return honest(host, *arguments, **options)

    package_index.add(SPAM)
    monkeypatch.setattr(socket, "getaddrinfo", counted)
    url = package_index.url().replace("127.0.0.1", "localhost")
    ask_all([Index(url)], [f"spam-{number}" for number in range(20)])
    assert asked.count("localhost") == 1


def test_indexes_are_asked_as_the_users_pip_would(package_index: FaultyIndex, tmp_path: Path) -> None:
    package_index.add(SPAM)
    (tmp_path / SPAM.filename).write_bytes(SPAM.data)
    own = "index.example"
    request = PipRequest(
        python="python",
        indexes=(package_index.url(), f"http://{own}/simple"),
        find_links=(str(tmp_path),),
        fetching=("--keyring-provider=disabled", "--no-proxy-env"),
        network=Network(
            trusted_hosts=(own,), proxy=f"127.0.0.1:{package_index.port}", timeout="3", client_cert=None, cert=None
        ),
    )
    package_index.fault(own, lambda handler, answer: package_index.answer("/simple/spam/", handler.headers))
    first, second, folder = configured(request)
    assert [each.index for each in ask_all([first, second, folder], ["spam"])["spam"]] == [
        package_index.url().rstrip("/"),
        f"http://{own}/simple",
        f"file://{tmp_path}",
    ]


@pytest.mark.parametrize("timeout", ["", "soon", "nan", "inf", "-1", "1e9", None])
def test_a_timeout_that_makes_no_sense_is_the_usual_one(timeout: str | None) -> None:
    request = PipRequest(python="python", indexes=("https://index.example",), network=Network(timeout=timeout))
    assert vars(vars(configured(request)[0])["_transport"])["_timeout"] == 30.0


def test_a_proxy_of_the_environment_counts_unless_the_user_says_no(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    parts = urlsplit("https://index.example/simple")
    proxy = Trust().proxy_for(parts)
    assert proxy is not None
    assert proxy.hostname == "proxy.example"
    assert Trust(environment=False).proxy_for(parts) is None
