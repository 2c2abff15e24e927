"""Verbs that need no network do not wait for one: heavy libraries stay out of their process."""

import subprocess
import sys

import pytest

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


def test_an_audit_loads_no_networks_and_no_figures(tmp_path) -> None:
    (tmp_path / "manifest.csv").write_text(
        "id,dialogue,text,label,split\na,x,hello there you,joy,train\nb,y,somewhere else,joy,test\n",
        encoding="utf-8",
    )
    found = loaded_by("audit", str(tmp_path / "manifest.csv"))
    assert found.isdisjoint({"transformers", "lightning", "matplotlib"})
