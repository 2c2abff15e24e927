"""Whole modalities withheld."""

import torch

from emofuse.nn.modality_dropout import drop_modalities


def test_rows_lose_what_they_had_and_never_all_of_it():
    torch.manual_seed(0)
    present = {m: torch.rand(4000) > 0.3 for m in ("text", "audio", "video")}
    left = drop_modalities(present, 0.9)
    assert all((here & ~present[m]).sum() == 0 for m, here in left.items())
    had, kept = (torch.stack(list(p.values())).any(0) for p in (present, left))
    assert torch.equal(had, kept)


def test_each_modality_goes_as_often_as_asked():
    torch.manual_seed(0)
    everyone = {m: torch.ones(20_000, dtype=torch.bool) for m in ("text", "audio", "video")}
    left = drop_modalities(everyone, 0.2)
    for here in left.values():
        # All three would go in 0.008 of the rows, and one of them then stays.
        assert abs(float((~here).float().mean()) - (0.2 - 0.008 / 3)) < 0.01
    assert all(torch.equal(here, everyone[m]) for m, here in drop_modalities(everyone, 0.0).items())
