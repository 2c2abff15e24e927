"""torch.compile changes no number and no name. Graphs are run as they are: a C++ compiler would take minutes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import SwinConfig, Swinv2Config

from emofuse.data.manifest import Manifest
from emofuse.errors import EmofuseError
from emofuse.nn import VSCConfig, VSCSwin
from emofuse.training import compiling
from emofuse.training.fit import fit_run
from tests.small_corpus import SMALL_MODEL, small_settings
from tests.small_runs import text_corpus, text_settings

SIZES = {"image_size": 32, "embed_dim": 8, "depths": [2], "num_heads": [2], "window_size": 4}


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The graphs that were made; one that breaks in the middle is an error."""
    made: list[Any] = []

    def backend(graph: Any, _: Any) -> Callable[..., Any]:
        made.append(graph)
        return graph.forward  # type: ignore[no-any-return]

    compile_ = torch.compile
    torch._dynamo.reset()
    monkeypatch.setattr(
        torch,
        "compile",
        lambda function, dynamic=None, recompile_limit=None: compile_(
            function, backend=backend, fullgraph=True, dynamic=dynamic, recompile_limit=recompile_limit
        ),
    )
    return made


@pytest.mark.parametrize(
    ("config", "threshold"), [(Swinv2Config(**SIZES), None), (SwinConfig(**SIZES), 0.0)], ids=["V2", "V1"]
)
def test_compiled_blocks_give_the_same_and_one_graph_serves_every_batch_size(
    config: Any, threshold: float | None, graphs: list[Any]
) -> None:
    torch.manual_seed(0)
    config.drop_path_rate = 0.0
    swin = VSCSwin(config, VSCConfig(stage=0, grids=(6,), threshold=threshold)).train()
    names = list(swin.state_dict())

    def gradients(images: int) -> list[Tensor]:
        torch.manual_seed(images)
        swin.zero_grad()
        swin(torch.randn(images, 3, 32, 32), torch.randn(images, 8)).pooled.square().sum().backward()
        return [p.grad.clone() for p in swin.parameters() if p.grad is not None]

    expected = {images: gradients(images) for images in (3, 5, 4)}
    swin.compile_blocks()
    for images, eager in expected.items():
        for compiled, plain in zip(gradients(images), eager, strict=True):
            torch.testing.assert_close(compiled, plain, rtol=1e-4, atol=1e-5)
        assert 0 < len(graphs) <= 2, "one for each block"
    assert list(swin.state_dict()) == names
    before = len(graphs)
    with torch.no_grad():
        swin.eval()(torch.randn(2, 3, 32, 32), torch.randn(2, 8))
    assert len(graphs) == before


def test_a_compiled_run_is_that_of_an_eager_one(corpus: Manifest, tmp_path: Path, graphs: list[Any]) -> None:
    # Blocks run whole when compiled; in chunks they round otherwise, which an epoch makes visible.
    options = SMALL_MODEL | {"swin": {**SIZES, "patch_size": 4}, "chunk_tokens": 0}
    del options["swin"]["image_size"]  # type: ignore[attr-defined]
    settings = small_settings(
        corpus, optimiser__epochs=1, **{"model.options": options, "model.modalities": ["text", "video"]}
    )
    eager = fit_run(settings, corpus, tmp_path / "eager")
    assert not graphs
    compiled = fit_run(settings.with_changes({"compile": True}), corpus, tmp_path / "compiled")
    assert graphs
    expected, found = load_file(eager.weights_file), load_file(compiled.weights_file)
    assert expected.keys() == found.keys()
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-3, atol=1e-4)


def test_what_cannot_be_compiled_is_one_line(
    corpus: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = text_corpus(tmp_path / "words", dialogues=6)
    with pytest.raises(EmofuseError, match="for the Swin of deepmsi-mer with video"):
        fit_run(text_settings(words, compile=True), words, tmp_path / "run")
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(compiling.shutil, "which", lambda name: None)
    with pytest.raises(EmofuseError, match=r"needs a C\+\+ compiler"):
        fit_run(small_settings(corpus, compile=True), corpus, tmp_path / "run")
    assert not (tmp_path / "run" / "config.yaml").exists()
