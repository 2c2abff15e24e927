"""An exported run in the place of its network: ONNX Runtime computes, the rest of a prediction is the same."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from emofuse.errors import EmofuseError
from emofuse.inference.exporting.folder import EXPORT_AGAIN, Export, program_path, read_export
from emofuse.inference.exporting.inputs import as_tensors, padded, program_inputs, sizes_of
from emofuse.inference.exporting.program import onnx_session, run_onnx
from emofuse.models import model_config, model_info
from emofuse.models.opinion_pool import opinion_pool
from emofuse.models.output import EmotionOutput
from emofuse.runs.run_record import RunRecord
from emofuse.runs.stored_model import check_fits_system


def exported_system(folder: Path, record: RunRecord, threads: int | None = None) -> OnnxSystem:
    """The program of an exported run; of a late fusion one that can pool its experts anew. See `OnnxSystem`."""
    export = read_export(folder)
    return (OnnxFusion if export.pool else OnnxSystem)(folder, record, export, threads)


class OnnxSystem(nn.Module):
    """A system whose program ONNX Runtime runs, on the processor.

    Args:
        folder: of an exported run.
        record: its run.json.
        export: its export.json.
        threads: to compute with.

    Raises:
        EmofuseError: the folder is damaged, another system's, or no ONNX.
    """

    def __init__(self, folder: Path, record: RunRecord, export: Export, threads: int | None = None) -> None:
        super().__init__()
        if export.format != "onnx":
            raise EmofuseError(f"{folder}: is a program of torch; export the run with --format onnx")
        self.info = model_info(record.model_name)
        self.config = model_config(record.model_name, **record.model_config_)
        check_fits_system(record, self, folder / "run.json", EXPORT_AGAIN)
        self.inputs = program_inputs(self.info, self.config)
        self.fixed, self.pool = export.fixed, export.pool
        session = onnx_session(str(program_path(folder, export)), threads or torch.get_num_threads())
        given = [each.name for each in session.get_inputs()]
        if given != [each.name for each in self.inputs]:
            raise EmofuseError(f"{folder}: its program is not {self.info.title}'s; export the run again")
        self.run = run_onnx(session)
        self.read = [output.name.removeprefix("feature_") for output in session.get_outputs()[1:]]

    def forward(self, **given: Any) -> EmotionOutput:
        """What the system makes of a batch; see its own ``forward``.

        Raises:
            EmofuseError: the batch is longer than the program's fixed sizes.
        """
        sizes, tensors = sizes_of(self.inputs, given), as_tensors(self.inputs, given)
        try:
            outputs = [
                torch.from_numpy(output) for output in self.run(padded(self.inputs, tensors, self.fixed))
            ]
        except ValueError as error:
            raise EmofuseError(f"{error}; predict with the run itself") from None
        logits = outputs[0][:, : sizes["dialogue"]] if "dialogue" in sizes else outputs[0]
        present = {str(m): flags for m, flags in given.get("present", {}).items()}
        return EmotionOutput(logits, dict(zip(self.read, outputs[1:], strict=True)), present)


class OnnxFusion(OnnxSystem):
    """The program of a late fusion: its features are the experts' logits, which can be pooled by other weights."""

    def pool_of_experts(
        self,
        experts: Mapping[str, Tensor],
        available: Mapping[str, Tensor],
        unlikeness: Mapping[str, Tensor] | None = None,
    ) -> Tensor:
        """(B, C) log-probabilities up to a constant; see :func:`emofuse.models.opinion_pool.opinion_pool`."""
        weights, temperatures = ({m: pair[place] for m, pair in self.pool.items()} for place in (0, 1))
        return opinion_pool(experts, available, weights, temperatures, unlikeness)
