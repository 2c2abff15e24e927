"""`emofuse demo` from the drawing to the prediction, at a size that takes seconds."""

from contextlib import nullcontext
from pathlib import Path

from emofuse.demo import run_demo
from emofuse.recipes import find_recipe
from emofuse.runs.settings import RunSettings


def test_the_demo_goes_from_nothing_to_a_report_and_a_prediction(tmp_path: Path) -> None:
    recipe = RunSettings.from_yaml(find_recipe("deepmsi-mer/demo"))
    settings = recipe.with_changes({"optimiser.epochs": 1, "optimiser.patience": 1, "data.workers": 0})
    made = run_demo(
        tmp_path,
        settings,
        clips=60,
        workers=1,
        open_progress=lambda: nullcontext(lambda done, total, what: None),
    )
    trained = {file.parent.name for file in tmp_path.glob("runs/*/model.safetensors")}
    assert trained == {"all", "text", "audio", "video", "random-kfold"}
    report = made.report.with_suffix(".md").read_text()
    assert "the linear model" in report.split("\n\n")[1], "the first lines compare with it"
    assert "| linear model |" in report
    assert "ceiling 97.8 by construction" in report
    assert made.truth == "joy"
    assert made.segment.label in made.segment.probabilities
    assert made.timeline.exists()
