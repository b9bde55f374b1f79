"""Code from repositories and folders, as transformers, diffusers and sentence-transformers run it, under the guard."""

from __future__ import annotations

import json

import pytest

from tests.e2e.test_libraries import loaded, refused

pytestmark = [pytest.mark.e2e, pytest.mark.hub, pytest.mark.timeout(900)]

CONFIGURATION = b"""
from transformers import PretrainedConfig

from .sizes import WIDTH


class TinyConfig(PretrainedConfig):
    model_type = "tiny-custom"
    width = WIDTH
"""
SIZES = b"WIDTH = 7\n"
CODE = {"configuration_tiny.py": CONFIGURATION, "sizes.py": SIZES}
OWN = {"AutoConfig": "configuration_tiny.TinyConfig"}
OTHER = {"AutoConfig": "other/code--configuration_tiny.TinyConfig"}

LOAD = """
from transformers import AutoConfig
config = AutoConfig.from_pretrained("org/tiny", trust_remote_code=True)
print("LOADED", type(config).__module__, config.width)
"""
AT_A_COMMIT = LOAD.replace("trust_remote_code=True", 'trust_remote_code=True, revision="{commit}"')
FOLDER = LOAD.replace("org/tiny", "./my model")


def config(auto_map):
    return json.dumps({"model_type": "tiny-custom", "auto_map": auto_map}).encode()


def own():
    return {"config.json": config(OWN), **CODE}


def harmful(workshop):
    return f"open({str(workshop.folder / 'marker')!r}, 'w').close()\n".encode()


def ran(workshop):
    return (workshop.folder / "marker").exists()


def test_locked_code_runs_online_and_offline_and_a_poisoned_copy_of_it_does_not(workshop):
    workshop.serve("org/tiny", own(), remote_code=True)
    workshop.hub.commit("org/tiny", {"configuration_tiny.py": CONFIGURATION + harmful(workshop)})
    assert loaded(workshop.run(LOAD))
    assert loaded(workshop.run(LOAD, HF_HUB_OFFLINE="1"))
    (copy,) = (workshop.folder / "huggingface" / "modules").rglob("sizes.py")
    copy.write_bytes(SIZES + harmful(workshop))
    assert refused(workshop.run(LOAD, HF_HUB_OFFLINE="1"), "sizes.py", "rule: changed")
    assert not ran(workshop)


def test_code_of_a_repository_that_is_locked_without_remote_code_does_not_run(workshop):
    workshop.serve("org/tiny", own())
    assert refused(workshop.run(LOAD), "run `weighlock lock org/tiny --remote-code`")


def test_code_of_another_repository_needs_a_lock_entry_of_its_own(workshop):
    commit = workshop.serve("org/tiny", {"config.json": config(OTHER)}, remote_code=True)
    workshop.serve("other/code", CODE, lock=False)
    assert refused(workshop.run(LOAD), "other/code", "hint: weighlock lock other/code")
    assert refused(workshop.run(AT_A_COMMIT.replace("{commit}", commit)), "hint: weighlock lock other/code")


def test_code_of_another_repository_comes_from_the_commit_that_is_locked_there(workshop):
    commit = workshop.serve("org/tiny", {"config.json": config(OTHER)})
    workshop.serve("other/code", CODE, remote_code=True)
    workshop.hub.commit("other/code", {"configuration_tiny.py": CONFIGURATION + harmful(workshop)})
    assert loaded(workshop.run(LOAD))
    assert loaded(workshop.run(AT_A_COMMIT.replace("{commit}", commit)))
    assert not ran(workshop)


def test_code_of_another_repository_at_another_commit_is_refused(workshop):
    workshop.serve("org/tiny", {"config.json": config(OTHER)})
    workshop.serve("other/code", CODE, remote_code=True)
    newer = workshop.hub.commit("other/code", {"sizes.py": SIZES + harmful(workshop)})
    done = workshop.run(LOAD.replace("trust_remote_code=True", f'trust_remote_code=True, code_revision="{newer}"'))
    assert refused(done, "other/code", "other-revision")
    assert not ran(workshop)


def test_code_in_a_local_folder_runs_only_when_the_folder_is_locked_with_its_code(workshop):
    folder = workshop.folder / "my model"
    folder.mkdir()
    for path, data in own().items():
        (folder / path).write_bytes(data)
    assert refused(workshop.run(FOLDER), "configuration_tiny.py", "weighlock lock './my model' --remote-code")
    workshop.lock_folder("my model", remote_code=True)
    assert loaded(workshop.run(FOLDER))
    (folder / "sizes.py").write_bytes(SIZES + harmful(workshop))
    assert refused(workshop.run(FOLDER), "sizes.py", "rule: changed")
    assert not ran(workshop)


def test_a_conversion_to_safetensors_stays_within_the_lock(workshop, tiny):
    workshop.serve("org/tiny", tiny("bert-pickled"))
    done = workshop.run(
        """
        import os
        os.environ["DISABLE_SAFETENSORS_CONVERSION"] = "0"
        from transformers import BertModel
        from transformers.safetensors_conversion import auto_conversion
        print("FOUND", auto_conversion("org/tiny"))
        try:
            BertModel.from_pretrained("org/tiny", use_safetensors=True)
        except OSError as error:
            print("LOADED nothing:", error)
        """
    )
    assert "FOUND (None, None, None)" in done.stdout, done.stderr
    assert "does not appear to have a file named" in done.stdout, done.stderr
    assert not any("discussions" in request.path for request in workshop.hub.requests)


PIPELINE = b"""
from diffusers import DDPMPipeline


class MyPipeline(DDPMPipeline):
    mine = 5
"""


def test_a_custom_pipeline_of_diffusers_runs_only_where_its_repository_is_locked_with_its_code(workshop, tiny):
    workshop.serve("org/tiny", tiny("pipeline"))
    workshop.serve("other/code", {"pipeline.py": PIPELINE}, lock=False)
    load = """
        from diffusers import DiffusionPipeline
        pipeline = DiffusionPipeline.from_pretrained("org/tiny", custom_pipeline="other/code", trust_remote_code=True)
        print("LOADED", pipeline.mine)
        """
    assert refused(workshop.run(load), "other/code")
    workshop.serve("other/code", {"pipeline.py": PIPELINE}, remote_code=True)
    assert loaded(workshop.run(load))
    (copy,) = (workshop.folder / "huggingface" / "modules").rglob("pipeline.py")
    copy.write_bytes(PIPELINE + harmful(workshop))
    assert refused(workshop.run(load), "pipeline.py", "rule: changed")
    assert not ran(workshop)


def test_a_community_pipeline_of_diffusers_is_code_of_a_repository_that_is_not_locked(workshop, tiny):
    workshop.serve("org/tiny", tiny("pipeline"))
    done = workshop.run(
        """
        import diffusers.utils.dynamic_modules_utils as dynamic
        dynamic.get_diffusers_versions = lambda: ["0.0"]
        from diffusers import DiffusionPipeline
        print("LOADED", DiffusionPipeline.from_pretrained("org/tiny", custom_pipeline="one_step_unet"))
        """
    )
    assert refused(done, "datasets/diffusers/community-pipelines-mirror")


def test_a_module_of_sentence_transformers_from_another_package_needs_remote_code(workshop, tiny):
    files = tiny("sentences")
    modules = json.loads(files["modules.json"])
    modules[1]["type"] = "helper.Chosen"
    files = {**files, "modules.json": json.dumps(modules).encode()}
    (workshop.folder / "helper.py").write_bytes(harmful(workshop))
    workshop.serve("org/tiny", files)
    done = workshop.run(
        """
        from sentence_transformers import SentenceTransformer
        SentenceTransformer("org/tiny", device="cpu", trust_remote_code=True)
        print("LOADED")
        """
    )
    assert refused(done, "helper.Chosen", "weighlock lock org/tiny --remote-code")
    assert not ran(workshop)
