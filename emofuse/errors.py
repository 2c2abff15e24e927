"""The one exception that means "the user can mend this"."""


class EmofuseError(Exception):
    """A mistake in what the user gave: its message is one clear line that says how to mend it.

    The command line prints the message without a traceback and exits with code 2.
    """
