import pytest

from emofuse.cli.progress import progress_bar


def test_a_bar_for_each_kind_of_work_and_none_where_there_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar() as progress:
        progress(0, 0, "text features")
        progress(3, 4, "video features")
        progress(4, 4, "video features")
    told = capsys.readouterr()
    assert told.out == ""
    assert "video features" in told.err
    assert "4/4" in told.err
    assert "text features" not in told.err
    with progress_bar(quiet=True) as progress:
        progress(1, 2, "video features")
    assert capsys.readouterr().err == ""
