"""A PostgreSQL server of the tests' own: a private cluster in a temporary folder, reached over a socket in it."""

from __future__ import annotations

import glob
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager

import psycopg
import pytest

_SETTINGS = "listen_addresses=", "fsync=on", "max_connections=60", "shared_buffers=16MB"


@contextmanager
def server():
    """Yield the address of a new server, and stop it in the end."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
    initdb = found[-1] if found else shutil.which("initdb")
    if initdb is None:
        pytest.skip("PostgreSQL is not installed: its server programs, such as Debian's package postgresql")
    programs = os.path.dirname(initdb)
    folder = tempfile.mkdtemp(prefix="wl-pg-", dir="/tmp")  # the path of a socket has to be short
    user = _unprivileged(folder)
    words = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    environ = {"PATH": os.environ["PATH"], "LC_ALL": "C", "HOME": folder}
    data = os.path.join(folder, "data")
    try:
        make = [initdb, "-D", data, "-U", "weighlock", "-A", "trust", "--no-sync", "-E", "UTF8"]
        subprocess.run(make, check=True, cwd=folder, env=environ, capture_output=True, **words)
        options = [word for setting in (*_SETTINGS, f"unix_socket_directories={folder}") for word in ("-c", setting)]
        with open(os.path.join(folder, "log"), "wb") as log:
            child = subprocess.Popen(
                [os.path.join(programs, "postgres"), "-D", data, *options],
                cwd=folder,
                env=environ,
                stdout=log,
                stderr=log,
                **words,
            )
        try:
            url = f"postgresql://weighlock@/postgres?host={folder}"
            _wait(url)
            yield url
        finally:
            child.terminate()
            child.wait(20)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged(folder: str):
    """Return who runs the server, which refuses to be run by root."""
    user = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    os.chown(folder, user.pw_uid, user.pw_gid)
    return user


def _wait(url: str) -> None:
    for _ in range(200):
        try:
            psycopg.connect(url, connect_timeout=2).close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(url)
