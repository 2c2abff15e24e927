"""FER2013: 35,887 faces of 48 × 48 grey pixels from a picture search, in seven emotions.

Goodfellow et al., "Challenges in Representation Learning: A report on three machine learning contests", ICONIP 2013.

    train.parquet, validation.parquet, test.parquet     id, label, jpeg: of each picture its JPEG file's bytes
    fer2013.csv (or icml_face_data.csv)                 emotion (0 … 6), pixels (2304 grey values), Usage

What is known to go wrong, and what happens here:

- The pictures are not files. They are written as files into ``pictures/`` beside the manifest.
- The contest's public test part is the validation part, the private one the test part. Where only one of them is there,
  protocol ``official`` judges on it, and carves validation from training.
- More than a thousand pictures come several times, in other parts too: about one in eleven of the public test part is
  also in the training part, and one in ten of the repeated has another label there. Pictures that show the same are one
  dialogue, so that validation is not carved out between them. A training picture that is also in another part is
  left out; ``twins=keep`` keeps it, as most published numbers do.
- Two ids of the Parquet files stand twice: the second gets a number.
- Some pictures are empty, drawings, or text: the empty ones of the training part are left out.
- Labels were given by one person each; people agree with them in about two of three (65 ± 5 %).
- Nobody says who is seen. There are no speakers to hold out.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from emofuse.corpora.corpus import Corpus, Published, corpus_manifest, require_choice
from emofuse.corpora.same_pictures import groups_of_same, thumbnail
from emofuse.corpora.table_files import read_table_file
from emofuse.data.atomic import written_aside
from emofuse.data.git_lfs import refuse_lfs_pointer
from emofuse.data.quarantine import QuarantineEntry
from emofuse.errors import EmofuseError

Twins = Literal["leave-out", "keep"]

LABELS = (
    "anger",
    "disgust",
    "fear",
    "joy",
    "sadness",
    "surprise",
    "neutral",
)  # in the order of the contest's numbers
NAMES: Mapping[str, str] = MappingProxyType(
    {"angry": "anger", "happy": "joy", "happiness": "joy", "sad": "sadness"} | {name: name for name in LABELS}
)
PUBLISHED = Published("Goodfellow et al. 2013", {"train": 28709, "val": 3589, "test": 3589})
SIDE = 48

_PARTS = {
    "train": "train",
    "training": "train",
    "validation": "val",
    "publictest": "val",
    "test": "test",
    "privatetest": "test",
}
_NAME = re.compile(r"[\w.-]{1,100}")
_EMPTY = 1.0  # standard deviation of grey values of 0 … 255 below which nothing is to be seen
_LARGEST = 1 << 20  # bytes of a picture's file


@dataclass(frozen=True)
class _Face:
    """A picture as it came: its file's bytes and suffix, and where it stood."""

    id: str
    label: str
    part: str
    content: bytes
    suffix: str


def read_fer2013(root: Path, into: str | Path | None = None, twins: Twins = "leave-out") -> Corpus:
    """Read FER2013, and write its pictures as files; the module says what is done about its known faults.

    Args:
        root: the folder with the Parquet files or the CSV file.
        into: folder of the manifest, whose folder ``pictures`` the files go to; by default ``root``.
        twins: what becomes of training pictures that are in another part too.

    Raises:
        EmofuseError: there is none of these files, one is damaged, or the pictures cannot be written.
    """
    require_choice("fer2013", "twins", twins, ("leave-out", "keep"))
    target = Path(into) if into is not None else root
    rows: list[dict[str, Any]] = []
    seen: list[NDArray[np.float32]] = []
    empty: list[str] = []
    set_aside: list[QuarantineEntry] = []
    repeated: Counter[str] = Counter()
    for face in _numbered(_faces(root), repeated):
        path = Path("pictures") / face.part / f"{face.id}{face.suffix}"
        try:
            pixels = _decoded(face)
        except (OSError, ValueError, Image.DecompressionBombError) as error:
            set_aside.append(QuarantineEntry(face.id, "video", str(path), "undecodable", str(error)))
            continue
        if face.part == "train" and pixels.std() < _EMPTY:
            empty.append(face.id)
            continue
        _write(target / path, face.content)
        seen.append(thumbnail(pixels))
        rows.append({"id": face.id, "video": path.as_posix(), "label": face.label, "split": face.part})
    if not rows:
        raise EmofuseError(f"{root}: holds no picture of FER2013 that can be read")
    rows, twin_ids = _without_twins(rows, groups_of_same(np.array(seen)), twins)
    left_out = {"empty picture": tuple(empty), "also in a part that is judged": tuple(twin_ids)}
    return Corpus(
        corpus_manifest(rows, target, "FER2013"),
        {reason: ids for reason, ids in left_out.items() if ids},
        tuple(set_aside),
        notes=tuple(
            f"the id {id} stands {count} times; the later ones have a number"
            for id, count in repeated.items()
            if count > 1
        ),
        published=PUBLISHED,
    )


def _numbered(faces: Iterator[_Face], seen: Counter[str]) -> Iterator[_Face]:
    """The faces, of which those whose id has come already have another."""
    for face in faces:
        seen[face.id] += 1
        count = seen[face.id]
        yield face if count == 1 else replace(face, id=f"{face.id}_{count}")


def _without_twins(
    rows: list[dict[str, Any]], groups: NDArray[np.int64], twins: Twins
) -> tuple[list[dict[str, Any]], list[str]]:
    """Rows with their groups as dialogues, and the ids of those left out."""
    first: dict[int, str] = {}
    judged = {int(group) for row, group in zip(rows, groups, strict=True) if row["split"] != "train"}
    kept, twin_ids = [], []
    for row, group in zip(rows, groups.tolist(), strict=True):
        if twins == "leave-out" and row["split"] == "train" and group in judged:
            twin_ids.append(row["id"])
            continue
        kept.append({**row, "dialogue": first.setdefault(group, row["id"])})
    return kept, twin_ids


def _faces(root: Path) -> Iterator[_Face]:
    tables = sorted(root.glob("*.parquet"))
    known = [path for path in tables if _part_of(path.stem) is not None]
    if known:
        for path in known:
            yield from _from_parquet(path)
        return
    csv = next(
        (root / name for name in ("fer2013.csv", "icml_face_data.csv") if (root / name).is_file()), None
    )
    if csv is None:
        raise EmofuseError(
            f"{root}: has neither train.parquet nor fer2013.csv; name the folder of FER2013 that holds one"
        )
    yield from _from_csv(csv)


def _part_of(name: str) -> str | None:
    """``Training_17`` and ``train-00000-of-00001`` → train."""
    return _PARTS.get(re.split(r"[_\W]", name.lower(), maxsplit=1)[0])


def _from_parquet(path: Path) -> Iterator[_Face]:
    refuse_lfs_pointer(path)
    try:
        file = pq.ParquetFile(path)
        lacking = [column for column in ("id", "label", "jpeg") if column not in file.schema_arrow.names]
        if lacking:
            raise EmofuseError(f"{path}: has no column {', '.join(lacking)}; is it FER2013's?")
        row = 0
        for batch in file.iter_batches(256, columns=["id", "label", "jpeg"]):
            for cells in batch.to_pylist():
                row += 1
                part = _part_of(str(cells["id"])) or _part_of(path.stem)
                yield _face(path, row, cells["id"], cells["label"], part, cells["jpeg"], ".jpg")
    except (pa.ArrowException, OSError) as error:
        raise EmofuseError(f"{path}: cannot be read ({str(error).splitlines()[0]}); copy it again") from None


def _from_csv(path: Path) -> Iterator[_Face]:
    frame = read_table_file(path).raw.frame
    frame.columns = [str(name).strip().lower() for name in frame.columns]
    lacking = [column for column in ("emotion", "pixels", "usage") if column not in frame]
    if lacking:
        raise EmofuseError(f"{path}: has no column {', '.join(lacking)}; is it FER2013's?")
    cells = zip(frame["emotion"], frame["pixels"], frame["usage"], strict=True)
    for row, (emotion, pixels, usage) in enumerate(cells, start=1):
        try:
            label = LABELS[int(emotion)]
            values = np.array(str(pixels).split(), dtype=np.uint8).reshape(SIDE, SIDE)
        except (ValueError, IndexError, OverflowError):
            raise EmofuseError(
                f"{path} row {row}: emotion or pixels are not those of FER2013; copy the file again"
            ) from None
        buffer = io.BytesIO()
        Image.fromarray(values).save(buffer, "PNG")
        yield _face(path, row, f"{usage}_{row:05d}", label, _part_of(str(usage)), buffer.getvalue(), ".png")


def _face(path: Path, row: int, id: Any, label: Any, part: str | None, content: Any, suffix: str) -> _Face:
    if not isinstance(id, str) or not _NAME.fullmatch(id):
        raise EmofuseError(f"{path} row {row}: the id {id!r} cannot be a file's name; is it FER2013's?")
    name = NAMES.get(str(label).lower())
    if name is None or part is None:
        what = f"label {label!r}" if name is None else "part"
        raise EmofuseError(f"{path} row {row} (id {id!r}): its {what} is not one of FER2013's")
    if not isinstance(content, bytes) or len(content) > _LARGEST:
        raise EmofuseError(f"{path} row {row} (id {id!r}): its picture is no file of at most 1 MB")
    return _Face(id, name, part, content, suffix)


def _decoded(face: _Face) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(face.content), formats=("JPEG", "PNG")) as picture:
        if max(picture.size) > 20 * SIDE:
            raise ValueError(f"it has {picture.width} × {picture.height} pixels, not {SIDE} × {SIDE}")
        return np.asarray(picture.convert("L"))


def _write(path: Path, content: bytes) -> None:
    try:
        if path.is_file() and path.stat().st_size == len(content):
            return
        with written_aside(path) as aside:
            aside.write_bytes(content)
    except OSError as error:
        raise EmofuseError(
            f"{path.parent}: pictures cannot be written there ({error.strerror}); name another place for the manifest "
            "with --out"
        ) from None
