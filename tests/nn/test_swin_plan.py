"""Grids and windows of VSC-Swin."""

import pytest
from pydantic import ValidationError

from emofuse.errors import EmofuseError
from emofuse.nn.swin_plan import BlockShape, VSCConfig, plan_blocks


def swin_v2_tiny() -> list[list[BlockShape]]:
    def stage(depth: int, shifted: int) -> list[BlockShape]:
        return [BlockShape(8, shifted if block % 2 else 0) for block in range(depth)]

    return [stage(2, 4), stage(2, 4), stage(6, 4), stage(2, 0)]


def shapes(plan) -> list[list[tuple[int, int, int]]]:
    return [[(p.geometry.grid[0], p.geometry.window, p.geometry.shift) for p in stage] for stage in plan]


def test_the_papers_network():
    plan = plan_blocks(swin_v2_tiny(), (64, 64), VSCConfig())
    assert shapes(plan) == [
        [(64, 8, 0), (64, 8, 4)],
        [(32, 8, 0), (32, 8, 4)],
        [(14, 7, 0), (14, 7, 3), (12, 6, 0), (12, 6, 3), (10, 5, 0), (10, 5, 2)],
        [(5, 5, 0), (5, 5, 0)],
    ]
    assert [p.compression for p in plan[2]] == [0, None, 1, None, 2, None]
    assert {p.pretrained_window for stage in plan for p in stage} == {8}


def test_without_compression_the_blocks_stay_as_they_are():
    plan = plan_blocks(swin_v2_tiny(), (64, 64), None)
    assert shapes(plan)[2] == [(16, 8, 0), (16, 8, 4)] * 3
    assert shapes(plan)[3] == [(8, 8, 0), (8, 8, 0)]


def test_threshold_mode_leaves_every_grid_whole():
    plan = plan_blocks(swin_v2_tiny(), (64, 64), VSCConfig(threshold=0.3, grids=(2, 1)))
    assert shapes(plan) == shapes(plan_blocks(swin_v2_tiny(), (64, 64), None))
    assert [p.compression for p in plan[2]] == [0, None, 1, None, None, None]


def test_one_grid_serves_the_blocks_that_follow():
    plan = plan_blocks(swin_v2_tiny(), (64, 64), VSCConfig(grids=(12,), windows=(4,)))
    assert shapes(plan)[2] == [(12, 4, 0), (12, 4, 2)] * 3
    assert shapes(plan)[3] == [(6, 6, 0), (6, 6, 0)]


def test_the_window_of_pretraining_is_passed_on():
    plan = plan_blocks(swin_v2_tiny(), (64, 64), VSCConfig(), (12, 12, 12, 6))
    assert [stage[0].pretrained_window for stage in plan] == [12, 12, 12, 6]


def test_a_grid_that_is_not_square_can_be_compressed():
    plan = plan_blocks(swin_v2_tiny(), (64, 48), VSCConfig(grids=(12, 10)))
    assert plan[2][0].geometry.grid == (12, 12)
    assert plan[2][0].geometry.window == 6


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"stage": 4}, "stage 4"),
        ({"grids": (18,)}, "16x16"),
        ({"grids": (14, 12, 10, 8)}, "non-shifted"),
        ({"grids": (13,)}, "tiles"),
        ({"grids": (14,), "windows": (4,)}, "window of 4"),
        ({"grids": (14,), "windows": (0,)}, "window of 0"),
        ({"stage": 1, "grids": (22,), "windows": (11,)}, "tiles the 11x11"),
    ],
)
def test_what_does_not_fit_is_named(options, what):
    with pytest.raises(EmofuseError, match=what):
        plan_blocks(swin_v2_tiny(), (64, 64), VSCConfig(**options))


@pytest.mark.parametrize(
    "options",
    [{"grids": ()}, {"grids": (10, 12)}, {"grids": (8, 8)}, {"grids": (0,)}, {"windows": (7,)}, {"alpha": 2}],
)
def test_settings_that_contradict_themselves_are_refused(options):
    with pytest.raises(ValidationError):
        VSCConfig(**options)
