"""A server that is killed at any moment: in force is the old or the new, and that is what is pulled."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time

import pytest

from tests.issuer import environ_of, issuing
from weighlock.formats.oci_manifest import digest_of


@contextlib.contextmanager
def process(place):
    """Serve in a process of its own, and kill it."""
    words = [sys.executable, "-m", "weighlock", "registry", "serve", "--config", str(place.config)]
    environ = {**os.environ, **environ_of(place.folder)}
    server = subprocess.Popen(words, env=environ, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr is not None
        assert "tokens for tests" in server.stderr.readline()
        yield server
    finally:
        server.kill()
        server.communicate()


@pytest.mark.parametrize("delays", [(0.0, 0.03, 0.06, 0.09, 0.12)])
def test_whoever_kills_the_server_finds_the_old_or_the_new(tmp_path, delays):
    with issuing(tmp_path, served=False) as place:
        with process(place):
            manifest, digest = place.promoted({"n": b"start"})
        for number, delay in enumerate(delays):
            files = {"n": str(number).encode()}
            with process(place) as server:
                offered = place.push("staging/net", files, tag=f"n{number}")
                bundle = place.summary(files, offered, previous=digest)

                def offer(offered=offered, bundle=bundle):
                    with contextlib.suppress(OSError):
                        place.promote(offered, bundle)

                asking = threading.Thread(target=offer)
                asking.start()
                time.sleep(delay)
                server.kill()
                asking.join()
            with process(place):
                pulled = digest_of(place.tag().data)
                newest = place.promotions("net")[0]
                assert pulled == newest["manifest"]
                assert (newest["manifest"], newest["digest"]) in ((manifest, digest), (offered, digest_of(bundle)))
                manifest, digest = newest["manifest"], newest["digest"]
