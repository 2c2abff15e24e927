"""The exception that means "the user can mend this", the warning beside it, and what is said of any failure."""


class EmofuseError(Exception):
    """A mistake in what the user gave: its message is one clear line that says how to mend it.

    The command line prints the message without a traceback and exits with code 2.
    """


class EmofuseWarning(UserWarning):
    """Something that the user should know and that stops nothing; the command line prints it as one line."""


def reason_of(error: BaseException) -> str:
    """Why something failed, in one line: the message of an `EmofuseError`, another's with its name before it."""
    reason = str(error) if isinstance(error, EmofuseError) else f"{type(error).__name__}: {error}"
    return " ".join(reason.split()).removesuffix(":") or type(error).__name__
