"""Modalities of an imported file whose features know their training part, left out before anything is trained."""

from __future__ import annotations

from emofuse.data.manifest import Manifest
from emofuse.errors import EmofuseError
from emofuse.evaluation import Split
from emofuse.runs.corpus import choose_split
from emofuse.runs.features import feature_store_of
from emofuse.runs.fitted_features import fitted_features, imported_readers
from emofuse.runs.modalities import IMPORTED, choose_encoders, choose_modalities
from emofuse.runs.settings import RunSettings


def withhold_leaky(settings: RunSettings, manifest: Manifest) -> tuple[RunSettings, list[str]]:
    """Settings without the modalities that tell more of the training part than of another; see `fitted_features`.

    The other part is the publishers' validation part. One that was carved out of the training part is as well known to the
    features as the rest of it, and the labels of the test part choose nothing.

    Args:
        settings: of the run.
        manifest: its corpus.

    Returns:
        The settings, and a line for each modality that is left out.

    Raises:
        EmofuseError: none would be left, or there is no published validation part to compare with.
    """
    modalities = choose_modalities(settings, manifest)
    specs = choose_encoders(settings, manifest, modalities)
    split = choose_split(settings, manifest)
    held = imported_readers(manifest, feature_store_of(settings, manifest))
    imported = {m: held[m] for m, spec in specs.items() if spec.name == IMPORTED and m in held}
    if imported and not _is_published(manifest, split):
        raise EmofuseError(
            "--withhold-leaky: this split has no validation part of the publishers to compare with, and the labels of the test "
            "part must not choose; take --protocol official of a corpus that has one, or name --modalities yourself"
        )
    findings = fitted_features(manifest, split, imported, settings.model.task, ("val",))
    leaky = [finding for finding in findings if finding.is_fitted]
    kept = [m for m in modalities if m not in {finding.modality for finding in leaky}]
    if not kept:
        raise EmofuseError(
            f"--withhold-leaky: {' and '.join(modalities)} features know their training part, and nothing else is left; make "
            "them anew by an encoder that has not seen the labels"
        )
    lines = [f"withheld: {finding.line()}" for finding in leaky]
    return settings.with_changes({"model.modalities": kept}) if leaky else settings, lines


def _is_published(manifest: Manifest, split: Split) -> bool:
    """Whether the publishers have chosen the validation part."""
    frame = manifest.frame
    return bool(frame.loc[frame["id"].isin(split.val), "split"].eq("val").all())
