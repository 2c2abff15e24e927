import json
import os
import shutil
import time
from types import SimpleNamespace

import pytest
import torch
from huggingface_hub import HfApi
from huggingface_hub.errors import RepositoryNotFoundError
from safetensors.torch import load_file, save_file
from transformers import BertModel
from transformers.utils import logging

from emofuse.encoders.pretrained import folder_revision, load_model, locate, model_files
from emofuse.errors import EmofuseError


@pytest.fixture
def folder(bert_folder, tmp_path):
    """A copy that may be spoilt."""
    return shutil.copytree(bert_folder, tmp_path / "bert")


def one_line(caught) -> str:
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "name", ["no-such-model", "no/such-model", "./no/such/folder", "/nowhere/model", "a b"]
)
def test_what_is_nowhere_is_one_quick_line(name):
    begin = time.monotonic()
    with pytest.raises(EmofuseError) as caught:
        load_model(locate(name), "cpu", torch.float32)
    assert time.monotonic() - begin < 2
    assert name in one_line(caught)
    assert "no such folder" in str(caught.value)


def test_a_hub_that_cannot_be_reached_is_asked_once_and_quickly(monkeypatch):
    asked = []

    def unreachable(self, name, **options):
        asked.append((name, options["timeout"]))
        raise RuntimeError("no route")  # whatever the HTTP library calls it

    monkeypatch.setattr("huggingface_hub.is_offline_mode", lambda: False)
    monkeypatch.setattr(HfApi, "model_info", unreachable)
    with pytest.raises(EmofuseError, match=r"no/such-model: .*hub cannot be reached"):
        load_model(locate("no/such-model"), "cpu", torch.float32)
    assert asked == [("no/such-model", 5.0)]


def test_a_model_that_the_hub_does_not_have_is_one_line(monkeypatch):
    def unknown(self, name, **options):
        response = SimpleNamespace(status_code=404, headers={}, request=None)
        raise RepositoryNotFoundError("404 Client Error.\nRepository Not Found", response=response)

    monkeypatch.setattr("huggingface_hub.is_offline_mode", lambda: False)
    monkeypatch.setattr(HfApi, "model_info", unknown)
    with pytest.raises(EmofuseError) as caught:
        locate("no/such-model")
    assert "neither a folder nor a model on the hub" in one_line(caught)


def test_only_safetensors_are_read(folder):
    weights = load_file(folder / "model.safetensors")
    torch.save(weights, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(EmofuseError) as caught:
        locate(str(folder))
    assert "pickle (pytorch_model.bin)" in one_line(caught)
    assert "safetensors" in str(caught.value)


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors"])
def test_an_incomplete_folder_names_what_is_missing(folder, missing):
    (folder / missing).unlink()
    with pytest.raises(EmofuseError, match=missing):
        locate(str(folder))


@pytest.mark.parametrize(("file", "content"), [("config.json", "{"), ("model.safetensors", "garbage")])
def test_a_damaged_file_is_one_line(folder, file, content):
    (folder / file).write_text(content)
    with pytest.raises(EmofuseError) as caught:
        load_model(locate(str(folder)), "cpu", torch.float32)
    assert str(folder) in one_line(caught)


def test_code_that_comes_with_a_model_is_not_run(folder, tmp_path):
    witness = tmp_path / "ran"
    (folder / "modeling_evil.py").write_text(f"open({str(witness)!r}, 'w')\n")
    config = json.loads((folder / "config.json").read_text())
    config |= {
        "model_type": "evil",
        "auto_map": {"AutoConfig": "modeling_evil.C", "AutoModel": "modeling_evil.M"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(EmofuseError):
        load_model(locate(str(folder)), "cpu", torch.float32)
    assert not witness.exists()


def test_weights_that_are_not_this_models_are_refused(folder):
    weights = load_file(folder / "model.safetensors")
    lost = "encoder.layer.1.output.dense.weight"
    save_file({name: value for name, value in weights.items() if name != lost}, folder / "model.safetensors")
    with pytest.raises(EmofuseError, match=rf"its checkpoint lacks 1 weight, {lost}"):
        load_model(locate(str(folder)), "cpu", torch.float32)


def test_weights_of_another_size_are_refused(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"intermediate_size": 128}))
    with pytest.raises(EmofuseError) as caught:
        load_model(locate(str(folder)), "cpu", torch.float32)
    assert "cannot be loaded" in one_line(caught)


def test_loading_leaves_the_librarys_talkativeness_alone_and_says_nothing(roberta_folder, capfd):
    logging.enable_progress_bar()
    level = logging.get_verbosity()
    load_model(locate(str(roberta_folder)), "cpu", torch.float32)
    assert logging.is_progress_bar_enabled()
    assert logging.get_verbosity() == level
    logging.disable_progress_bar()
    assert capfd.readouterr() == ("", "")


def test_the_model_is_ready_to_be_used(bert_folder):
    model = load_model(locate(str(bert_folder)), "cpu", torch.bfloat16)
    assert isinstance(model, BertModel)
    assert not model.training
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}


def sharded(folder):
    model = BertModel.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="40KB")
    return folder


def test_sharded_weights_are_found(folder):
    names = [file.name for file in model_files(sharded(folder))]
    assert sum(name.startswith("model-") for name in names) > 1
    assert "model.safetensors.index.json" in names
    assert names[-1] == "config.json"
    load_model(locate(str(folder)), "cpu", torch.float32)


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("../elsewhere.safetensors", "outside its folder"),
        ("gone.safetensors", "are missing"),
        ("", "outside its folder"),
        (3, "damaged"),
    ],
)
def test_an_index_that_leads_elsewhere_is_refused(folder, part, message):
    index = sharded(folder) / "model.safetensors.index.json"
    content = json.loads(index.read_text())
    content["weight_map"]["pooler.dense.bias"] = part
    index.write_text(json.dumps(content))
    with pytest.raises(EmofuseError, match=message):
        locate(str(folder))


def test_a_damaged_index_is_refused(folder):
    (sharded(folder) / "model.safetensors.index.json").write_text('{"weight_map": 3}')
    with pytest.raises(EmofuseError, match=r"index\.json: damaged"):
        locate(str(folder))


def test_revision_is_that_of_the_content(folder, bert_folder):
    revision = folder_revision(bert_folder)
    assert folder_revision(folder) == revision
    (folder / "README.md").write_text("not a part of the model")
    os.utime(folder / "config.json", (1.0, 1.0))
    assert folder_revision(folder) == revision
    for name in ("model.safetensors", "config.json", "tokenizer.json"):
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        assert folder_revision(folder) != revision
        (folder / name).write_bytes(whole)


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer_config.json"])
def test_a_file_that_git_lfs_has_not_downloaded(folder, name):
    (folder / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0a\nsize 9\n")
    with pytest.raises(EmofuseError, match=f"{name}: is a Git LFS pointer.*run `git lfs pull`"):
        locate(str(folder))
