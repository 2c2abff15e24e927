import errno

import pytest

from emofuse.errors import EmofuseError, reason_of


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (EmofuseError("a.csv row 3: no such file;\n  mend it"), "a.csv row 3: no such file; mend it"),
        (ValueError("two\nlines"), "ValueError: two lines"),
        (KeyError("place"), "KeyError: 'place'"),
        (MemoryError(), "MemoryError"),
        (
            OSError(errno.ENOSPC, "No space left on device", "/run/best.ckpt"),
            "/run/best.ckpt: No space left on device; make room on the disk, or write elsewhere",
        ),
        (EmofuseError(), "EmofuseError"),
    ],
)
def test_a_failure_is_told_in_a_line(error: Exception, line: str) -> None:
    assert reason_of(error) == line
