"""The recipes of the papers' settings say what the papers say, and add no clipping and no mixed precision."""

from functools import reduce
from typing import Any

import pytest

from emofuse.models.registry import model_config
from emofuse.recipes import find_recipe
from emofuse.runs.settings import RunSettings

# Where no paper names one, so that nothing but the paper's own settings moves the weights.
PLAIN = {"precision": "32", "optimiser.gradient_clip": 0, "optimiser.name": "adam", "optimiser.accumulate": 1}
UNTOUCHED_STAGE_ONE = {"finetune.gradient_clip": 0, "finetune.precision": "32"}

MFCRE = PLAIN | {  # sections 3.1 and 4.2
    "optimiser.learning_rate": 1e-5,
    "optimiser.betas": (0.9, 0.99),
    "optimiser.weight_decay": 2 * 1e-5,  # 2 lambda
    "optimiser.schedule": "step",
    "optimiser.decay": 0.95,
    "optimiser.decay_epochs": 10,
    "optimiser.epochs": 200,
    "optimiser.patience": 200,
    "encoders.text.name": "FacebookAI/roberta-base",
    "encoders.text.max_length": 128,
    "encoders.text.speaker_names": True,
    "encoders.text.finetune.learning_rate": 2e-5,
    "encoders.text.finetune.head_learning_rate": 2e-5,
    "encoders.text.finetune.batch_size": 16,
    "encoders.text.finetune.accumulate": 1,
    "encoders.text.finetune.warmup_fraction": 0.1,
    "encoders.text.finetune.epochs": 3,
    "encoders.text.finetune.monitor": "val_loss",
    "encoders.audio.name": "opensmile-compare2016",
    "encoders.video.faces": True,
    "encoders.video.frames": 20,
    "encoders.video.output": "logits",  # 1000 features
    **{f"encoders.text.{name}": value for name, value in UNTOUCHED_STAGE_ONE.items()},
    "network.temperature": 0.9,
    "network.alpha": 0.8,
    "network.gamma": 3,
    "network.mu1": 0.4,
    "network.mu2": 0.3,
    "network.dropout": 0.1,
    "network.l2": 0,
}
CM_MSF = PLAIN | {  # section 4.2, Figures 12 and 13
    "optimiser.learning_rate": 1e-5,
    "optimiser.batch_size": 32,
    "optimiser.epochs": 100,
    "optimiser.patience": 100,
    "optimiser.schedule": "plateau",
    "encoders.audio.rate": 12.5,
    "encoders.video.rate": 15,
    "network.encoder_layers": 5,
    "network.encoder_heads": 8,
    "network.cascade_heads": 5,
    "network.cascade_layers": 8,
    "network.lstm_hidden": 100,
    "network.dropout": 0.3,
}
DEEPMSI_MER = PLAIN | {  # the paper has 15 frames; the rates, the batch and the epochs are not in it
    "network.frames": 15,
    "optimiser.learning_rate": 1e-4,
    "optimiser.betas": (0.9, 0.999),
    "optimiser.weight_decay": 1e-5,
    "optimiser.batch_size": 16,
    "optimiser.epochs": 30,
    "optimiser.patience": 4,
    **{
        f"encoders.{m}.{name}": value
        for m in ("text", "audio")
        for name, value in UNTOUCHED_STAGE_ONE.items()
    },
}
RECIPES: dict[str, dict[str, Any]] = {
    "mfcre/iemocap": MFCRE | {"optimiser.batch_size": 64, "network.multi_attn_layers": 6},
    "mfcre/meld": MFCRE | {"optimiser.batch_size": 100, "network.multi_attn_layers": 2},
    "cm-msf/mosi": CM_MSF,
    "cm-msf/mosei": CM_MSF,
    "cm-msf/ch-sims": CM_MSF,
    "deepmsi-mer/iemocap": DEEPMSI_MER,
    "deepmsi-mer/meld": DEEPMSI_MER,
}


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_has_the_numbers_of_its_paper(name: str) -> None:
    settings = RunSettings.from_yaml(find_recipe(name))
    model = settings.model
    classes = {} if model.task == "regression" else {"num_classes": 6}
    task = {"task": model.task} if model.name == "cm-msf" else {}
    network = model_config(model.name, model.preset, **classes, **task, **model.options)

    def said(path: str) -> Any:
        start, *names = path.split(".")
        here = network if start == "network" else getattr(settings, start)
        return reduce(lambda at, key: at[key] if isinstance(at, dict) else getattr(at, key), names, here)

    assert {path: said(path) for path in RECIPES[name]} == RECIPES[name]


@pytest.mark.parametrize("name", ["mfcre/iemocap", "mfcre/meld"])
def test_stage_one_of_mfcre_can_stop_early(name: str) -> None:
    tuning = RunSettings.from_yaml(find_recipe(name)).encoders["text"].finetune
    assert tuning is not None
    assert tuning.patience + 1 < tuning.epochs
