"""Keys on devices, with SoftHSM in place of one."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from tests.signing.conftest import NOW
from weighlock.errors import UsageError
from weighlock.signing.pkcs11 import KeyUri, open_device_key, parse_uri
from weighlock.signing.trust import TrustedKey
from weighlock.signing.verification import verify_bundle

_LIBRARIES = ("/usr/lib/softhsm/libsofthsm2.so", "/opt/homebrew/lib/softhsm/libsofthsm2.so")
SOFTHSM = next(filter(os.path.exists, _LIBRARIES), None)


@pytest.fixture(scope="module")
def token(tmp_path_factory):
    if SOFTHSM is None or shutil.which("softhsm2-util") is None:
        pytest.skip("SoftHSM is not installed (Debian: softhsm2)")
    pkcs11 = pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed")
    from pkcs11.util.ec import encode_named_curve_parameters

    folder = tmp_path_factory.mktemp("hsm")
    (folder / "tokens").mkdir()
    (folder / "conf").write_text(f"directories.tokendir = {folder}/tokens\n")
    one = {"token_label": "t1"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(folder / "conf"))
        command = ["softhsm2-util", "--init-token", "--free", "--label", "t1", "--pin", "1234", "--so-pin", "5678"]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        with pkcs11.lib(SOFTHSM).get_token(**one).open(user_pin="1234", rw=True) as session:
            for curve, label in (("secp256r1", "release"), ("secp384r1", "other")):
                parameters = {pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters(curve)}
                domain = session.create_domain_parameters(pkcs11.KeyType.EC, parameters, local=True)
                domain.generate_keypair(store=True, label=label, id=label.encode())
        yield f"pkcs11:token=t1;object={{}}?module-path={SOFTHSM}"


def test_a_key_on_a_device_signs_what_everybody_verifies(token, statement):
    key = open_device_key(token.format("release"), lambda: b"1234", {})
    data = key.sign(statement.to_bytes()).to_bytes()
    trusted = TrustedKey(name="release", key=key.public)
    assert verify_bundle(data, [trusted], now=NOW).statement == statement


def test_a_wrong_pin_and_a_missing_key_are_told(token):
    for uri, pin in ((token.format("release"), b"0000"), (token.format("nothing"), b"1234")):
        with pytest.raises(UsageError, match="the device does not sign"):
            open_device_key(uri, lambda pin=pin: pin, {})


def test_a_key_of_another_kind_on_a_device_does_not_sign(token):
    with pytest.raises(UsageError, match="P-256"):
        open_device_key(token.format("other"), lambda: b"1234", {})


def test_a_library_that_is_none_is_told(token):
    with pytest.raises(UsageError):
        open_device_key("pkcs11:object=a?module-path=/nothing.so", lambda: b"1234", {})


@pytest.mark.parametrize(
    "uri",
    [
        "pkcs11:token=a?module-path=m",
        "pkcs11:object=a",
        "pkcs11:object=a?module-path=m&pin-value=1234",
        "pkcs11:object=a?module-path=m&pin-source=file:/x",
        "pkcs11:object=a;object=b?module-path=m",
        "pkcs11:object=a;colour=red?module-path=m",
        "pkcs11:",
    ],
)
def test_an_uri_that_names_no_key_or_says_too_much_is_refused(uri):
    with pytest.raises(UsageError):
        parse_uri(uri, {})


def test_an_uri_is_read_as_it_is_spelled():
    uri = parse_uri("pkcs11:token=My%20token;id=%01%ff;object=a%3bb?module-path=/x.so", {})
    assert uri == KeyUri(module="/x.so", token="My " + "token", id=b"\x01\xff", label="a;b")
    assert parse_uri("pkcs11:object=a", {"PKCS11_MODULE_PATH": "/y.so"}).module == "/y.so"
