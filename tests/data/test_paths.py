"""No path leaves the manifest's folder."""

import os
from pathlib import Path

import pandas as pd
import pytest

from emofuse.data.manifest import Manifest
from emofuse.data.paths import ContainedPaths
from emofuse.errors import EmofuseError


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    (tmp_path / "secret.mp4").touch()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "b.mp4").touch()
    root = tmp_path / "corpus"
    (root / "clips").mkdir(parents=True)
    (root / "clips" / "a.mp4").touch()
    return root


def test_plain_paths_resolve(corpus: Path) -> None:
    paths = ContainedPaths(corpus)
    assert paths.resolve("clips/a.mp4") == corpus.resolve() / "clips" / "a.mp4"
    assert paths.resolve("./clips/a.mp4") == corpus.resolve() / "clips" / "a.mp4"
    assert paths.file_problem("clips/a.mp4") is None
    assert paths.file_problem("clips/gone.mp4") == f"does not exist in {corpus.resolve()}"


def test_links_that_stay_inside_are_followed(corpus: Path) -> None:
    (corpus / "same.mp4").symlink_to(corpus / "clips" / "a.mp4")
    (corpus / "also").symlink_to("clips")
    paths = ContainedPaths(corpus)
    assert paths.resolve("same.mp4") == corpus.resolve() / "clips" / "a.mp4"
    assert paths.resolve("also/a.mp4") == corpus.resolve() / "clips" / "a.mp4"


def test_a_folder_that_is_reached_through_a_link_is_a_folder(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(corpus)
    assert ContainedPaths(tmp_path / "link").resolve("clips/a.mp4").is_file()


@pytest.mark.parametrize(
    "kind", ["file link", "folder link", "link to a link", "absolute", "parent", "neighbour"]
)
def test_escapes_are_refused_by_problems_and_by_utterances(corpus: Path, tmp_path: Path, kind: str) -> None:
    (corpus / "file.mp4").symlink_to(tmp_path / "secret.mp4")
    (corpus / "folder").symlink_to(tmp_path / "other")
    (corpus / "chain.mp4").symlink_to(corpus / "file.mp4")
    # A neighbour whose name begins with the folder's own is still outside.
    (tmp_path / "corpus-2").mkdir()
    (tmp_path / "corpus-2" / "c.mp4").touch()
    (corpus / "near").symlink_to(tmp_path / "corpus-2")
    path = {
        "file link": "file.mp4",
        "folder link": "folder/b.mp4",
        "link to a link": "chain.mp4",
        "absolute": str(tmp_path / "secret.mp4"),
        "parent": "../secret.mp4",
        "neighbour": "near/c.mp4",
    }[kind]
    manifest = Manifest.from_frame(pd.DataFrame({"id": ["a"], "video": [path]}), corpus)
    assert len(manifest.problems(check_files=True)) == 1
    with pytest.raises(EmofuseError, match="manifest row 1: video path"):
        manifest.utterance("a")
    with pytest.raises(EmofuseError):
        list(manifest.rows())


def test_a_circle_of_links_is_a_missing_file(corpus: Path) -> None:
    (corpus / "x.mp4").symlink_to("y.mp4")
    (corpus / "y.mp4").symlink_to("x.mp4")
    assert "does not exist" in str(ContainedPaths(corpus).file_problem("x.mp4"))


def test_the_root_of_the_file_system_holds_everything(corpus: Path) -> None:
    inside = os.path.relpath(corpus / "clips" / "a.mp4", "/")
    assert ContainedPaths(Path("/")).resolve(inside) == (corpus / "clips" / "a.mp4").resolve()
