"""dill under the guard."""

from __future__ import annotations

import io

import dill
import pytest

from weighlock.errors import LoadRefused


def test_the_names_of_the_program_are_not_handed_out(bench):
    stream = b"\x80\x02c__builtin__\n__main__\n."
    bench.guard()
    with pytest.raises(LoadRefused, match="__main__"):
        dill.loads(stream)


def test_a_payload_in_a_file_is_refused_before_it_runs(bench):
    (bench.folder / "odd.pkl").write_bytes(bench.payload)
    bench.guard()
    with (bench.folder / "odd.pkl").open("rb") as file, pytest.raises(LoadRefused):
        dill.load(file)
    assert not bench.marker.exists()


def test_plain_python_loads(bench):
    bench.guard()
    assert dill.load(io.BytesIO(dill.dumps({"a": [1, 2.5, None]}))) == {"a": [1, 2.5, None]}
