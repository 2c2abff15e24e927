"""How help is laid out: examples as lines that can be copied, and each verb in one sentence."""

from __future__ import annotations

import re
import textwrap

_EXAMPLE = re.compile(r"(?P<words>Example[^`]*):\s*`(?P<command>[^`]+)`", re.DOTALL)
# A piece in quotes is one word to the shell.
_WORD = re.compile(r"""(?:"[^"]*"|'[^']*'|[^\s"'])+""")
_AS_IT_IS = "\b"  # click leaves the lines of such a paragraph alone
_WIDTH = 74


def laid_out(text: str) -> str:
    """The help of a verb, each command of an example on lines of its own.

    Args:
        text: paragraphs, those that begin with "Example" with a command in backticks.
    """
    paragraphs = [part.strip() for part in text.split("\n\n") if part.strip()]
    return "\n\n".join(_paragraph(part) for part in paragraphs)


def first_sentence(text: str) -> str:
    """What the list of verbs says of one."""
    words = " ".join(text.split("\n\n")[0].split())
    sentence = re.match(r".*?[.:](?=\s|$)", words)
    return sentence.group().rstrip(":.") + "." if sentence else words


def shell_lines(command: str, width: int = _WIDTH) -> list[str]:
    """A command over as many lines as it takes, which a shell reads as one."""
    lines: list[str] = []
    for word in _WORD.findall(command):
        if lines and len(lines[-1]) + len(word) + 3 <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(f"    {word}" if lines else word)
    return [f"{line} \\" for line in lines[:-1]] + lines[-1:]


def _paragraph(text: str) -> str:
    example = _EXAMPLE.fullmatch(text)
    if example is None:
        return text
    words = " ".join(example["words"].split())
    return f"{_AS_IT_IS}\n{words}:\n" + textwrap.indent("\n".join(shell_lines(example["command"])), "  ")
