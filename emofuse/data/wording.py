"""Words that go with numbers."""


def counted(number: int, what: str) -> str:
    """``"1 row"`` or ``"2 rows"``."""
    return f"{number} {what}{'' if number == 1 else 's'}"
