"""Ways around the gate of an MLflow server: each is tried on a real server, and nothing moves."""

from __future__ import annotations

import base64
import os
import socket
import threading
import time
import zlib
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlsplit

import pytest

from tests.mlflow_rig import _WORDS, MALLORY, changed, is_refused
from weighlock.signing.key import generate

pytestmark = pytest.mark.e2e

NOTHING = f"sha256:{'0' * 64}"


def tag(model, key, value, *, version=1, **words):
    body = {"name": model.name, "version": str(version), "key": key, "value": value}
    return model.rig.call("model-versions/set-tag", body, **words)


def stage(model, name, *, version=1, archive=False, **words):
    body = {"name": model.name, "version": str(version), "stage": name, "archive_existing_versions": archive}
    return model.rig.call("model-versions/transition-stage", body, **words)


@pytest.fixture
def model(rig):
    """A model of which nothing was promoted."""
    made = rig.model()
    yield made
    assert made.named() == {}
    assert made.in_force() is None


@pytest.fixture
def promoted(rig):
    """A model with one version in production, and another that is not."""
    made = rig.model()
    made.digest = made.promote()
    made.version()
    yield made
    assert made.named() == {"production": 1}
    assert made.in_force() == made.digest


# Names


@pytest.mark.parametrize("place", ["/api/", "/ajax-api/"])
def test_an_alias_without_a_summary(model, place):
    assert is_refused(model.alias("production", place=place), "no verification summary")


@pytest.mark.parametrize("alias", ["Production", "PRODUCTION", "pRoDuCtIoN", "champion", "Prod", "STAGING"])
def test_an_alias_in_other_letters(model, alias):
    assert is_refused(model.alias(alias, user="admin"), "no verification summary")


@pytest.mark.parametrize(
    "alias",
    ["ｐｒｏｄ", "рroduction", "productıon", "live", "release", "production\n", "prod-", "_production", "ﬁnal", "０"],
    ids=ascii,
)
def test_an_alias_that_only_looks_like_one_or_is_on_no_list(model, alias):
    assert is_refused(model.alias(alias, user="admin"))


@pytest.mark.parametrize(
    "alias", ["production ", " production", "production\u200b", "pro/duction", "v1", "latest"], ids=ascii
)
def test_an_alias_that_mlflow_itself_refuses(model, alias):
    assert model.alias(alias, user="admin")[0] == 400


def test_an_open_alias_that_is_spelled_like_a_stage_with_a_summary_of_that_stage(model):
    model.attach(model.summary())
    assert is_refused(model.alias("ｐｒｏｄｕｃｔｉｏｎ"), "only looks like")


@pytest.mark.parametrize("name", ["Production", "production", "PRODUCTION", "Staging", "staging"])
@pytest.mark.parametrize("archive", [False, True])
def test_a_stage_of_mlflow(model, name, archive):
    assert is_refused(stage(model, name, archive=archive, user="admin"), "no verification summary")


def test_a_stage_over_the_ajax_api(model):
    assert is_refused(stage(model, "Production", place="/ajax-api/"))


def test_the_flag_that_archives_what_is_promoted(promoted):
    assert is_refused(stage(promoted, "Production", version=2, archive=True), "no verification summary")


def test_a_mutation_over_graphql(rig, model):
    words = f'name: "{model.name}", alias: "production", version: "1"'
    query = f"mutation {{ setRegisteredModelAlias({words}) {{ name }} }}"
    status, answer = rig.server.call("POST", "graphql", {"query": query}, place="/", user="admin")
    assert "Cannot query field" in str(answer) or status >= 400


# Tags


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("stage", "production"),
        ("Stage", "PRODUCTION"),
        ("env", "prod"),
        ("environment", "prod-eu"),
        ("stages", '["staging","production"]'),
        ("production", "true"),
        ("deploy.production", "1"),
        ("isProduction", "yes"),
        ("production_since", "2026-11-01"),
        ("role", "Champion"),
        ("stage", "ｐｒｏｄ"),
        ("stage", " production "),
    ],
)
def test_a_tag_that_means_promotion(model, key, value):
    assert is_refused(tag(model, key, value), "the tag says")
    body = {"name": model.name, "key": key, "value": value}
    assert is_refused(model.rig.call("registered-models/set-tag", body), "the tag says")


def test_a_tag_that_a_version_is_born_with(rig, model):
    body = {
        "name": model.name,
        "source": f"{rig.run['artifact_uri']}/x",
        "run_id": rig.run["run_id"],
        "tags": [{"key": "stage", "value": "production"}],
    }
    assert is_refused(rig.call("model-versions/create", body, user="author"), "the tag says")


def test_a_tag_that_a_model_is_born_with(rig):
    body = {"name": "born", "tags": [{"key": "production_version", "value": "1"}]}
    assert is_refused(rig.call("registered-models/create", body, user="author"), "the tag says")
    assert rig.call("registered-models/get?name=born", method="GET")[0] == 404


@pytest.mark.parametrize(
    "key", ["weighlock.in-force.production", "Weighlock.In-Force.production", "weighlock.anything", "weighlock.vsa"]
)
def test_a_forged_tag_of_the_server_s_own(model, key):
    assert is_refused(tag(model, key, NOTHING, user="admin"))
    body = {"name": model.name, "key": key, "value": NOTHING}
    assert is_refused(model.rig.call("registered-models/set-tag", body, user="admin"), "only the server says")


def test_a_forged_tag_of_what_is_in_force_then_a_summary_that_replaces_it(promoted):
    body = {"name": promoted.name, "key": "weighlock.in-force.production", "value": NOTHING}
    assert is_refused(promoted.rig.call("registered-models/set-tag", body, user="admin"))
    promoted.attach(promoted.summary(2, previous=NOTHING), version=2)
    assert is_refused(promoted.alias("production", 2), "replaces")


def test_a_tag_of_a_stage_on_a_version_that_is_not_there(promoted):
    assert tag(promoted, "stage", "production", version=1)[0] == 200
    assert is_refused(tag(promoted, "stage", "production", version=2), "the tag says")


def test_a_tag_of_a_stage_does_not_outlive_the_promotion(rig):
    model = rig.model()
    model.promote()
    assert tag(model, "stage", "production")[0] == 200
    model.version()
    model.promote(2)
    version = rig.must(f"model-versions/get?name={model.name}&version=1", method="GET")["model_version"]
    assert "stage" not in [one["key"] for one in version["tags"]]


# Summaries


@pytest.mark.parametrize("user", ["author", "viewer"])
def test_a_user_who_may_not_move_the_name(model, user):
    model.attach(model.summary())
    status, answer = model.alias("production", user=user)
    assert status == 403
    if user == "author":
        assert is_refused((status, answer), "'?author'? may not move")


@pytest.mark.parametrize("key", [MALLORY, generate()], ids=["a signer who is no verifier", "a stranger"])
def test_a_summary_of_somebody_else(model, key):
    assert is_refused(model.attach(model.summary(), key=key))
    assert is_refused(model.alias("production"), "no verification summary")


def test_a_summary_of_another_model(rig, model):
    other = rig.model(files={"MLmodel": b"same"})
    model.attach(model.summary(name=other.name))
    assert is_refused(model.alias("production"), "no verification summary")


def test_a_summary_for_another_stage(model):
    model.attach(model.summary(stage="staging"))
    assert is_refused(model.alias("production"), "no verification summary")
    assert is_refused(stage(model, "Production"), "no verification summary")


def test_a_summary_of_another_version_with_the_same_bytes(promoted):
    number = promoted.version({"MLmodel": b"x"})
    promoted.attach(changed(promoted.summary(number, previous=promoted.digest), version="7"), version=number)
    assert is_refused(promoted.alias("production", number), "about version 7")


def test_a_summary_of_other_artifacts_and_the_source_swapped_under_it(promoted):
    """The summary of version 1 is put to version 2, whose source is another one."""
    summary = changed(promoted.summary(1, previous=promoted.digest), version="2")
    promoted.attach(summary, version=2)
    assert is_refused(promoted.alias("production", 2), "sha256:")


@pytest.mark.parametrize("how", ["other bytes", "one more", "one less", "a link"])
def test_artifacts_that_changed_before_the_alias(model, how):
    model.attach(model.summary())
    folder = model.folder()
    place = folder / "data" / "model.bin"
    if how == "other bytes":
        place.write_bytes(b"evil")
    elif how == "one more":
        (folder / "evil.py").write_bytes(b"")
    elif how == "one less":
        place.unlink()
    else:
        os.rename(place, folder.parent / f"{model.name}.bin")
        place.symlink_to(folder.parent / f"{model.name}.bin")
    assert is_refused(model.alias("production"))


def test_artifacts_that_are_overwritten_through_the_server_before_the_alias(model):
    model.attach(model.summary())
    assert model.rig.server.call("PUT", model.artifact("data/model.bin"), b"evil", user="author")[0] == 200
    assert is_refused(model.alias("production"), "data/model.bin")


@pytest.mark.parametrize("path", ["data/model.bin", "evil.py", "data/../MLmodel", "data%2fmodel.bin"])
@pytest.mark.parametrize("place", ["/api/", "/ajax-api/"])
def test_artifacts_that_are_overwritten_through_the_server_after_the_alias(promoted, path, place):
    before = promoted.files()
    answer = promoted.rig.server.call("PUT", promoted.artifact(path), b"evil", user="admin", place=place)
    assert is_refused(answer, "artifacts of what was promoted") or answer[0] == 400, answer
    assert promoted.files() == before


def test_artifacts_by_an_upload_that_began_before_the_promotion_and_ends_after_it(rig):
    model, evil = rig.model(), b"evil" * 50_000
    model.attach(model.summary())
    before = model.files()
    login = base64.b64encode(f"author:{_WORDS}".encode()).decode()
    address = urlsplit(rig.server.url)
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        head = f"PUT /api/{model.artifact('data/model.bin')} HTTP/1.1\r\nHost: {address.netloc}\r\n"
        head += f"Authorization: Basic {login}\r\nConnection: close\r\nContent-Length: {len(evil)}\r\n\r\n"
        connection.sendall(head.encode() + evil[:-1])
        time.sleep(1)  # the upload is under way, and what is promoted is still what was signed
        assert model.alias("production")[0] == 200
        connection.sendall(evil[-1:])
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert model.files() == before, answer
    assert b"artifacts of what was promoted" in answer
    assert model.named() == {"production": 1}


@pytest.mark.parametrize("path", ["data/model.bin", "data", "", ".."])
def test_artifacts_that_are_deleted_through_the_server_after_the_alias(promoted, path):
    before = promoted.files()
    answer = promoted.rig.server.call("DELETE", promoted.artifact(path).rstrip("/"), user="admin")
    assert is_refused(answer, "artifacts of what was promoted") or answer[0] == 400, answer
    assert promoted.files() == before


def test_artifacts_beside_those_that_were_promoted_are_written_as_ever(promoted):
    path = f"{promoted.artifact('').rstrip('/')}-beside/model.bin"
    assert promoted.rig.server.call("PUT", path, b"new", user="author")[0] == 200
    assert promoted.rig.server.call("DELETE", path, user="admin")[0] == 200


@pytest.mark.parametrize("written", ["//", "/./", "/x/../", "/%2e/"])
def test_a_source_in_a_spelling_by_which_it_would_not_be_found_again(rig, model, written):
    source = rig.run["artifact_uri"].replace("mlflow-artifacts:/", f"mlflow-artifacts:{written}")
    source = f"{source}/{model.folder().name}"
    body = {"name": model.name, "source": source, "run_id": rig.run["run_id"]}
    status, answer = rig.call("model-versions/create", body, user="admin")
    if status != 200:
        return  # MLflow itself refuses it
    number = int(answer["model_version"]["version"])
    model.attach(model.summary(number, files=model.files(1)), version=number)
    assert is_refused(model.alias("production", number), "as MLflow writes it")


def test_a_summary_that_is_too_old(model):
    model.attach(model.summary(made=datetime.now(UTC) - timedelta(days=91)))
    assert is_refused(model.alias("production"), "too long ago")


def test_a_summary_of_the_future(model):
    model.attach(model.summary(made=datetime.now(UTC) + timedelta(hours=1)))
    assert is_refused(model.alias("production"), "future")


def test_a_summary_by_looser_rules(model):
    model.attach(changed(model.summary(), requirements=NOTHING))
    assert is_refused(model.alias("production"), "other rules")


def test_a_summary_that_replaces_nothing_where_something_is_in_force(promoted):
    promoted.attach(promoted.summary(2), version=2)
    assert is_refused(promoted.alias("production", 2), "replaces nothing")


def test_a_summary_that_was_used_before(rig):
    model = rig.model()
    model.promote()
    model.version()
    second = model.promote(2)
    assert is_refused(model.alias("production", 1), "used before")
    assert is_refused(stage(model, "Production", version=1), "used before")
    assert (model.named(), model.in_force()) == ({"production": 2}, second)


def test_a_summary_that_is_used_again_after_the_alias_was_removed(rig):
    model = rig.model()
    digest = model.promote()
    rig.must("registered-models/alias", {"name": model.name, "alias": "production"}, method="DELETE")
    assert model.in_force() == digest
    assert is_refused(model.alias("production"), "counts once")
    assert model.named() == {}
    model.promote()
    assert model.named() == {"production": 1}


@pytest.mark.parametrize("what", ["the model", "the version"])
def test_a_summary_that_is_used_again_after_something_was_deleted_and_made_anew(rig, what):
    model = rig.model(files={"MLmodel": b"old and bad"})
    first = model.summary()
    model.attach(first)
    assert model.alias("production")[0] == 200
    model.version({"MLmodel": b"new and good"})
    second = model.promote(2)
    if what == "the model":
        rig.must("registered-models/delete", {"name": model.name}, method="DELETE", user="admin")
        rig.must("registered-models/create", {"name": model.name}, user="author")
    else:
        rig.must("model-versions/delete", {"name": model.name, "version": "2"}, method="DELETE", user="admin")
    assert model.in_force() == second
    number = model.version({"MLmodel": b"old and bad"})
    model.attach(first, version=1 if what == "the version" else number)
    assert is_refused(model.alias("production", 1), "replaces nothing")
    assert is_refused(tag(model, "stage", "production", version=number), "the tag says")
    assert model.named() == {}


@pytest.mark.parametrize("value", ["", "%%%", "eA==", base64.b64encode(zlib.compress(b"x" * 100)).decode()])
def test_a_broken_tag(model, value):
    assert model.attach(model.summary()).startswith("sha256:")
    status, answer = tag(model, f"weighlock.vsa.{'a' * 64}", value)
    assert is_refused((status, answer)) or status == 400


def test_a_huge_tag_and_one_that_unpacks_to_something_huge(model):
    bomb = base64.b64encode(zlib.compress(bytes(64 << 20), 9)).decode()
    assert is_refused(tag(model, f"weighlock.vsa.{'a' * 64}", bomb), "another verification summary")
    assert tag(model, f"weighlock.vsa.{'a' * 64}", "A" * 100_001)[0] in (400, 403)


def test_the_summary_in_force_is_taken_away(promoted):
    body = {"name": promoted.name, "version": "1", "key": f"weighlock.vsa.{promoted.digest[7:]}"}
    answer = promoted.rig.call("model-versions/delete-tag", body, method="DELETE", user="admin")
    assert is_refused(answer, "is in force")


# Names of models, and sources


def test_a_model_that_takes_the_name_of_a_promoted_one(rig, promoted):
    evil = rig.model()
    evil.promote(1)
    old = {"name": promoted.name, "new_name": f"{promoted.name}-old"}
    assert is_refused(rig.call("registered-models/rename", old, user="admin"), "is, or was, promoted")
    body = {"name": evil.name, "new_name": f"{evil.name}-new"}
    assert is_refused(rig.call("registered-models/rename", body, user="admin"), "is, or was, promoted")


def test_a_model_that_takes_the_name_of_a_deleted_one(rig):
    gone, evil = rig.model(), rig.model()
    gone.promote()
    rig.must("registered-models/delete", {"name": gone.name}, method="DELETE", user="admin")
    body = {"name": evil.name, "new_name": gone.name}
    assert is_refused(rig.call("registered-models/rename", body, user="admin"), "is, or was, promoted")


def test_a_prompt_in_disguise(rig):
    name = "prompt-in-disguise"
    prompt = [{"key": "mlflow.prompt.is_prompt", "value": "true"}]
    rig.must("registered-models/create", {"name": name, "tags": prompt}, user="author")
    text = [*prompt, {"key": "mlflow.prompt.text", "value": "Say {{it}}"}]
    rig.must("model-versions/create", {"name": name, "source": "dummy-source", "tags": text}, user="author")
    body = {"name": name, "alias": "production", "version": "1"}
    assert is_refused(rig.call("registered-models/alias", body, user="admin"))
    assert rig.call(f"registered-models/alias?name={name}&alias=production", method="GET")[0] == 400


@pytest.mark.parametrize(
    "source",
    [
        "http://127.0.0.1:9/evil",
        "https://evil.example/m",
        "mlflow-artifacts://evil.example/1/m",
        "ftp://h/m",
        "file:///etc",
    ],
)
def test_a_source_that_answers_the_server_in_another_way_than_its_clients(rig, source):
    model = rig.model()
    body = {"name": model.name, "source": source, "run_id": ""}
    status, _ = rig.call("model-versions/create", body, user="admin")
    if status != 200:
        return  # MLflow itself refuses it
    model.attach(model.summary(2, files={"MLmodel": "a" * 64}), version=2)
    assert is_refused(model.alias("production", 2))
    assert model.named() == {}


def test_a_copy_of_a_promoted_version_under_another_name(rig, promoted):
    other = rig.model()
    source = rig.must(f"model-versions/get?name={promoted.name}&version=1", method="GET")["model_version"]
    body = {"name": other.name, "source": f"models:/{promoted.name}/1", "tags": source["tags"]}
    number = int(rig.must("model-versions/create", body, user="author")["model_version"]["version"])
    assert is_refused(other.alias("production", number), "no verification summary")
    assert other.named() == {}


# At the same moment


def test_two_promotions_at_the_same_moment(rig):
    model = rig.model()
    model.version()
    rivals = {version: model.attach(model.summary(version), version=version) for version in (1, 2)}
    barrier, answers = threading.Barrier(4), {}

    def promote(key):
        barrier.wait()
        answers[key] = model.alias("production", key[0], at=key[1] % len(rig.servers))

    threads = [threading.Thread(target=promote, args=((version, at),)) for version in (1, 2) for at in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    won = {version for (version, _), (status, _) in answers.items() if status == 200}
    assert len(won) == 1, answers
    assert model.named() == {"production": won.pop()}
    assert model.in_force() == rivals[model.named()["production"]]


def test_a_promotion_on_the_other_server_while_this_one_remembers_less(rig):
    model = rig.model()
    model.promote()
    last = len(rig.servers) - 1
    model.version()
    model.attach(model.summary(2, previous=model.in_force()), version=2)
    assert model.alias("production", 2, at=last)[0] == 200
    assert is_refused(model.alias("production", 1, at=0), "used before")
    found = rig.must(f"registered-models/alias?name={model.name}&alias=production", method="GET", at=0)
    assert found["model_version"]["version"] == "2"


# Resolves


def test_a_name_that_was_given_before_the_gate_is_not_resolved(rig):
    """Whoever has the database writes what they like; the server says nothing that it cannot prove."""
    model = rig.model()
    rig.write_alias(model.name, "production", 1)
    answer = rig.call(f"registered-models/alias?name={model.name}&alias=production", method="GET")
    assert is_refused(answer, "was not promoted")
    rig.write_stage(model.name, 1, "Production")
    query = "registered-models/get-latest-versions"
    assert is_refused(rig.call(query, {"name": model.name, "stages": ["Production"]}), "was not promoted")


def test_an_alias_moved_in_the_database_is_not_resolved(promoted):
    promoted.rig.write_alias(promoted.name, "champion", 2)
    query = f"registered-models/alias?name={promoted.name}&alias=champion"
    assert is_refused(promoted.rig.call(query, method="GET"), "version 2 was not promoted")
    promoted.rig.write_alias(promoted.name, "champion", None)


def test_every_refusal_says_what_where_and_what_to_do_and_is_in_the_ledger(rig, model):
    _, answer = model.alias("production")
    assert answer["error_code"] == "PERMISSION_DENIED"
    assert f"mlflow:{model.name}#production" in answer["message"]
    assert f"weighlock promote models:/{model.name} --to production" in answer["message"]
    found = [line for line in rig.ledger().splitlines() if f"mlflow:{quote(model.name)}#production" in line]
    assert found
    assert '"verdict":"DENY"' in found[-1]
    assert '"actor":"mlflow:ci@127.0.0.1"' in found[-1]
