"""One registry with its issuer for all tests of this folder."""

from __future__ import annotations

import re
import zlib

import pytest

from tests.issuer import issuing


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    with issuing(tmp_path_factory.mktemp("oci")) as place:
        yield place


@pytest.fixture
def name(request):
    """The last part of the repositories of a test."""
    words = re.sub("[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[:80].strip("-")
    return f"{words}-{zlib.crc32(request.node.name.encode()):x}"
