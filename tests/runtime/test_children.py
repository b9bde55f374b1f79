"""Children of a guarded program are guarded, and what they say to each other gets through."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.e2e

PRELUDE = """
import weighlock
weighlock.activate()
import os, pickle, sys

class Payload:
    def __reduce__(self):
        return os.mkdir, (os.path.abspath("marker"),)

class Job:
    "A class of the program, which messages carry."
    def __init__(self, value):
        self.value = value
    def __call__(self):
        return Job(self.value + 1)

EVIL = pickle.dumps(Payload())

def attack(say):
    try:
        pickle.loads(EVIL)
    except BaseException as refusal:
        say(type(refusal).__name__)
    else:
        say("ran")
"""

METHODS = ["fork", "spawn", "forkserver"]


@pytest.fixture
def project(bench):
    bench.write_lock()
    return bench


def _check(project, code, expected):
    done = project.run(PRELUDE + code)
    assert done.stdout.split() == expected, done.stderr
    assert done.returncode == 0, done.stderr
    assert not project.marker.exists()


@pytest.mark.parametrize("method", METHODS)
def test_a_process_by_every_start_method_refuses_a_payload(project, method):
    code = f"""
import multiprocessing
def work(queue, job):
    attack(queue.put)
    queue.put(job())
if __name__ == "__main__":
    context = multiprocessing.get_context({method!r})
    queue = context.Queue()
    process = context.Process(target=work, args=(queue, Job(1)))
    process.start()
    print(queue.get(timeout=60), queue.get(timeout=60).value)
    process.join()
"""
    _check(project, code, ["LoadRefused", "2"])


@pytest.mark.parametrize("method", METHODS)
def test_pools_managers_and_executors_carry_classes_and_refuse_payloads(project, method):
    code = f"""
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
def work(job):
    said = []
    attack(said.append)
    return job(), said
if __name__ == "__main__":
    context = multiprocessing.get_context({method!r})
    with context.Pool(1) as pool:
        job, said = pool.map(work, [Job(1)])[0]
        print(job.value, *said)
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        job, said = pool.submit(work, Job(2)).result()
        print(job.value, *said)
    with context.Manager() as manager:
        shared = manager.dict()
        shared["job"] = Job(4)
        print(shared["job"].value)
"""
    _check(project, code, ["2", "LoadRefused", "3", "LoadRefused", "4"])


def test_a_plain_fork_and_a_subprocess_refuse_a_payload(project):
    code = """
import subprocess
if not os.fork():
    attack(lambda text: (print(text), sys.stdout.flush()))
    os._exit(0)
os.wait()
attack_code = "import pickle; pickle.loads(%r)" % EVIL
command = [sys.executable, "-c", attack_code]
done = subprocess.run(command, capture_output=True, text=True, cwd=os.path.dirname(os.getcwd()))
print("LoadRefused" if "weighlock refused" in done.stderr else done)
"""
    _check(project, code, ["LoadRefused", "LoadRefused"])


@pytest.mark.parametrize("method", METHODS)
def test_workers_of_a_data_loader_carry_tensors_and_refuse_payloads(project, method):
    code = f"""
import torch
class Items(torch.utils.data.Dataset):
    def __len__(self):
        return 4
    def __getitem__(self, index):
        said = []
        attack(said.append)
        return torch.full((2,), float(index)), said[0]
if __name__ == "__main__":
    loader = torch.utils.data.DataLoader(Items(), batch_size=2, num_workers=2, multiprocessing_context={method!r})
    for tensors, said in loader:
        print(int(tensors.sum()), *said)
"""
    _check(project, code, ["2", "LoadRefused", "LoadRefused", "10", "LoadRefused", "LoadRefused"])


def test_joblib_in_processes_carries_closures_and_refuses_payloads(project):
    code = """
import joblib
def main():
    offset = 10
    def work(job):
        said = []
        attack(said.append)
        return job.value + offset, said[0]
    for value, said in joblib.Parallel(2)(joblib.delayed(work)(Job(n)) for n in range(2)):
        print(value, said)
if __name__ == "__main__":
    main()
"""
    _check(project, code, ["10", "LoadRefused", "11", "LoadRefused"])


def test_large_arrays_reach_workers_of_joblib_through_its_memory_maps(project):
    code = """
import joblib, numpy
if __name__ == "__main__":
    data = numpy.ones(400_000)
    print(*(int(total) for total in joblib.Parallel(2)(joblib.delayed(numpy.sum)(data) for _ in range(2))))
"""
    _check(project, code, ["400000", "400000"])


def test_object_collectives_of_torch_carry_classes(project):
    code = """
import torch.distributed as dist
dist.init_process_group("gloo", init_method="file://" + os.path.abspath("rendezvous"), rank=0, world_size=1)
import torch
gathered = [None]
dist.all_gather_object(gathered, {"job": Job(3), "tensor": torch.ones(2)})
print(gathered[0]["job"].value, int(gathered[0]["tensor"].sum()))
sent = [Job(5)]
dist.broadcast_object_list(sent, src=0)
print(sent[0].value)
dist.destroy_process_group()
"""
    _check(project, code, ["3", "2", "5"])


def test_tensors_and_error_reports_pass_between_processes_of_torch(project):
    code = """
import torch, torch.multiprocessing as mp
def work(index, queue, received):
    queue.put(torch.ones(3))
    received.get()
    raise ValueError("broken")
if __name__ == "__main__":
    queue, received = (mp.get_context("spawn").SimpleQueue() for _ in range(2))
    try:
        context = mp.spawn(work, args=(queue, received), nprocs=1, join=False)
        print(int(queue.get().sum()))
        received.put(None)
        while not context.join():
            pass
    except mp.ProcessRaisedException as error:
        print("broken" in str(error))
"""
    _check(project, code, ["3", "True"])
