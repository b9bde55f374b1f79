"""How fast `weighlock where` answers, and how large its index grows: `python -m bench.where` measures.

The world is made from a fixed seed: projects with a lockfile and a bill of materials each, which the ledger recorded,
and accesses of many hosts to files of which some are loaded much more often than others. The ledger is a real one, and
sealed. Each question is a whole process.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from bench.row import NO_BAR, Row, report, spread
from weighlock.artifact import Digest
from weighlock.entry import Entry
from weighlock.gates.ledger import host_name, open_ledger
from weighlock.gates.where import Question, answer
from weighlock.incidents.index import place_of
from weighlock.lockfile import HubSource, LockedFile, LockedModel, Lockfile
from weighlock.verdict import Decision

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

PART = "where"
_PROJECTS, _MODELS, _FILES = 500, 20, 10
_STEPS = (250_000, 500_000, 1_000_000)
_RUNS = 5
_BAR = 1.0
_START = datetime(2026, 1, 1, tzinfo=UTC)
_ACTORS = [f"user-{n % 60}@host-{n % 200}" for n in range(400)]
_LOADERS = ("torch.load", "safetensors.safe_open", "pickle.load", "joblib.load", "numpy.load", "onnxruntime")
_AT_ONCE = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What is asked about.

    Args:
        environ: Variables that lead to it.
        files: Name of each file in the ledger, its digest, and that of the lockfile that lists it.
        documents: Entries about the documents.
    """

    environ: Mapping[str, str]
    files: list[tuple[str, str, str]]
    documents: list[Entry]


def measure(folder: Path) -> list[Row]:
    """Measure everything about where.

    Args:
        folder: Empty, on a disk.
    """
    world = make(folder, _PROJECTS)
    ledger = open_ledger(world.environ)
    ledger.append([one.to_bytes() for one in world.documents])
    sizes: dict[int, int] = {}
    events = accesses(world.files, _STEPS[-1])
    for before, count in zip((0, *_STEPS), _STEPS, strict=False):
        _append(world, events, count - before)
        _ask(world, "0" * 64)
        sizes[count] = _size(world)
    rebuilt, _ = _timed(lambda: _ask(world, "0" * 64, rebuild=True))
    return [_grown(sizes), _built(rebuilt), *_asked(world)]


def make(folder: Path, projects: int) -> World:
    """Make projects with lockfiles and bills.

    Args:
        folder: Where they lie.
        projects: How many; each has as many models, each of which has as many files.
    """
    files: list[tuple[str, str, str]] = []
    documents: list[Entry] = []
    actor = f"bench@{host_name()}"
    for number in range(projects):
        place = folder / f"project-{number}"
        place.mkdir(parents=True)
        models = [_model(number * _MODELS + each) for each in range(_MODELS)]
        lock, bill = place / "models.lock", place / "models.cdx.json"
        lock.write_text(Lockfile(models=tuple(models)).dumps(), "utf-8")
        bill.write_text(json.dumps(_bill(models, number)), "utf-8")
        digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (lock, bill)]
        for path, digest in zip((lock, bill), digests, strict=True):
            plain = _entry(str(path), digest, len(documents), actor)
            documents.append(replace(plain, gate="lock", kind="document", rules=("written",), loader=None))
        files += [(f"{model.name}:{file.path}", file.sha256, digests[0]) for model in models for file in model.files]
        for path in (
            lock,
            bill,
        ):  # as if written some time ago: what is younger than its file system's clock is read twice
            os.utime(path, (_START.timestamp(), _START.timestamp()))
    (folder / "home").mkdir()
    (folder / "home" / "weighlock.toml").write_text("", "utf-8")
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("WEIGHLOCK_")},
        "WEIGHLOCK_STATE": str(folder / "state"),
        "WEIGHLOCK_LEDGER": str(folder / "ledger"),
        "WEIGHLOCK_ROOT": str(folder / "home"),
        "WEIGHLOCK_POLICY": str(folder / "home" / "weighlock.toml"),
    }
    environ.pop("VIRTUAL_ENV", None)
    return World(environ=environ, files=files, documents=documents)


def accesses(files: list[tuple[str, str, str]], count: int) -> Iterator[bytes]:
    """Yield entries about loads: a few files are loaded most, as in a zoo of models, and one of a hundred is denied."""
    chance = random.Random(7)  # noqa: S311 - the same world each time
    for number in range(count):
        subject, digest, lock = files[min(int(chance.paretovariate(0.35)) - 1, len(files) - 1) * 7919 % len(files)]
        entry = _entry(subject, digest, number, chance.choice(_ACTORS))
        entry = replace(entry, loader=chance.choice(_LOADERS), evidence=(f"sha256:{lock}",))
        yield (replace(entry, verdict=Decision.DENY) if number % 100 == 0 else entry).to_bytes()


def _entry(subject: str, digest: str, number: int, actor: str) -> Entry:
    return Entry(
        time=_START + timedelta(seconds=number),
        event=f"{number // 10_000:032x}:{number % 10_000}",
        gate="load",
        kind="model",
        subject=subject,
        digest=Digest.sha256(digest),
        size=1000,
        verdict=Decision.ALLOW,
        rules=("locked",),
        actor=actor,
    )


def _model(number: int) -> LockedModel:
    name = f"team-{number % 40}/model-{number}"
    return LockedModel(
        name=name,
        source=HubSource(repo=name, revision=f"{number:040x}"),
        files=tuple(
            LockedFile(
                path=f"model-{each:05}.safetensors",
                size=1000,
                sha256=hashlib.sha256(f"{number} {each}".encode()).hexdigest(),
                format="safetensors",
            )
            for each in range(_FILES)
        ),
    )


def _bill(models: list[LockedModel], number: int) -> dict[str, object]:
    """Return a bill of models, each of them made from one of a hundred bases or from the model before it."""
    components: list[dict[str, object]] = []
    for place, model in enumerate(models):
        base = models[place - 1].name if place % 4 else f"base/model-{(number * 5 + place // 4) % 100}"
        ancestors = [{"type": "machine-learning-model", "name": base}]
        components.append(
            {"type": "machine-learning-model", "name": model.name, "bom-ref": f"m{place}",
             "hashes": [{"alg": "SHA-256", "content": model.files[0].sha256}], "pedigree": {"ancestors": ancestors}}
        )  # fmt: skip
    for place in range(50):
        name = f"package-{(number * 13 + place) % 400}"
        components.append({"type": "library", "name": name, "version": f"1.{number % 9}", "bom-ref": f"p{place}",
                           "purl": f"pkg:pypi/{name}@1.{number % 9}"})  # fmt: skip
    return {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": components}


def _append(world: World, events: Iterator[bytes], count: int) -> None:
    ledger = open_ledger(world.environ)
    while count:
        some = [next(events) for _ in range(min(_AT_ONCE, count))]
        ledger.append(some)
        ledger.checkpoint()  # in parts, as in daily use
        count -= len(some)


def _ask(world: World, subject: str, *, rebuild: bool = False) -> int:
    found = answer(Question(subject=subject, environ=world.environ, rebuild=rebuild))
    return sum(one.count for one in found.accesses)


def _size(world: World) -> int:
    place = Path(place_of(world.environ, open_ledger(world.environ).place) or "")
    return sum(path.stat().st_size for path in place.parent.iterdir())


def _grown(sizes: dict[int, int]) -> Row:
    first, second, third = (sizes[count] for count in _STEPS)
    ratio = (third - second) / (second - first) / 2
    shown = ", ".join(f"{size / 1e6:.0f} MB at {count:,}" for count, size in sizes.items())
    return Row(
        part=PART,
        name="size of the index by events",
        bar="linear: the last half million take at most 1.2 times as much as twice the quarter million before",
        measured=f"{shown}: {ratio:.2f} times",
        method=f"{_PROJECTS * _MODELS:,} models, {_PROJECTS * _MODELS * _FILES:,} files, 400 users on 200 hosts",
        met=ratio <= 1.2,
        numbers={str(count): size for count, size in sizes.items()},
    )


def _built(seconds: float) -> Row:
    return Row(
        part=PART,
        name=f"index made anew from the ledger and all documents, {_STEPS[-1]:,} events",
        bar=NO_BAR,
        measured=f"{seconds:.0f} s, {_STEPS[-1] / seconds:,.0f} events per second",
        method="once, one process, `--rebuild`",
        met=None,
        numbers={"seconds": seconds},
    )


def _asked(world: World) -> Iterator[Row]:
    subject, digest, _ = world.files[0]
    questions = {
        "a digest that is loaded most": [digest],
        "a digest that is loaded hardly": [world.files[-1][1]],
        "a model": [subject.partition(":")[0]],
        "a base model with what was made from it": ["base/model-7", "--as", "base-model"],
        "a package": ["package-7"],
        "a digest that is nowhere": ["0" * 64],
    }
    bare = statistics.median(_run(world, ["--version"])[0] for _ in range(_RUNS))
    for name, arguments in questions.items():
        whole = [_run(world, ["where", *arguments, "--format", "json"]) for _ in range(_RUNS)]
        inside = [_inside(world, arguments) for _ in range(_RUNS)]
        median, bar = statistics.median(inside), name != "a digest that is nowhere"
        times, processor = [one for one, _ in whole], [one for _, one in whole]
        yield Row(
            part=PART,
            name=f"`weighlock where`, {name}, among {_STEPS[-1]:,} events",
            bar=f"<= {_BAR:.0f} s after start" if bar else NO_BAR,
            measured=f"{median:.2f} s; whole command {statistics.median(times):.2f} s, "
            f"{statistics.median(processor):.2f} s of them on the processor",
            method=f"median of {_RUNS}, index opened anew each time; `--version` took {bare:.2f} s, and this machine "
            f"had a load of {os.getloadavg()[0]:.0f} on {os.cpu_count()} cores",
            met=median <= _BAR if bar else None,
            numbers={"inside": spread(inside), "command": spread(times), "processor": spread(processor)},
        )


def _inside(world: World, arguments: list[str]) -> float:
    meaning = arguments[2] if len(arguments) > 1 else None
    question = Question(subject=arguments[0], meaning=meaning, environ=world.environ)
    return _timed(lambda: answer(question))[0]


def _run(world: World, arguments: list[str]) -> tuple[float, float]:
    """Return how long a command took, and how long the processor worked for it."""
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", "weighlock", *arguments], env=dict(world.environ), capture_output=True, check=False,
        cwd=world.environ["WEIGHLOCK_ROOT"],
    )  # fmt: skip
    took, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in {0, 1}:
        raise SystemExit(f"error: {done.stderr.decode()}")
    return took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _timed(call: Callable[[], object]) -> tuple[float, object]:
    began = time.perf_counter()
    result = call()
    return time.perf_counter() - began, result


if __name__ == "__main__":
    report(PART, measure)
