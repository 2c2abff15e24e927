"""Encoders whose numbers anybody can check; light to import, because processes of their own import them."""

import os
import signal
import time
from pathlib import Path

import numpy as np

from emofuse.data.pictures import PictureSampling
from emofuse.errors import EmofuseError
from emofuse.features.dialogue_context import ContextWindow, TextInContext
from emofuse.features.identity import EncoderIdentity, InputNeeds, UnusableInputError


class LengthEncoder:
    """Text or sound to (length, sum of code points or samples); refuses or spoils what it is told to."""

    def __init__(self, modality: str = "text", refuse: str = "", spoil: str = "", pause: float = 0.0) -> None:
        self.identity = EncoderIdentity(
            modality=modality, kind="length", name="length", revision="1", pooling="none", dim=2
        )
        self.dim = 2
        self.refuse, self.spoil, self.pause = refuse, spoil, pause
        self.calls: list[int] = []
        self.seen: list[object] = []

    def encode(self, items):
        self.calls.append(len(items))
        self.seen += items
        time.sleep(self.pause)
        if self.refuse and self.refuse in items:
            raise EmofuseError("cannot be encoded")
        return np.array([self._one(item) for item in items], np.float32)

    def _one(self, item):
        if isinstance(item, str):
            return (len(item), np.nan if item == self.spoil else sum(map(ord, item)))
        return (len(item), float(np.abs(item).sum()))


class NeighbourEncoder(LengthEncoder):
    """Characters of the text and of what is around it."""

    needs = InputNeeds(context=ContextWindow(before=1, after=1))

    def _one(self, item):
        assert isinstance(item, TextInContext)
        return (len(item.text), sum(map(len, (*item.before, *item.after))))


class BrightnessEncoder:
    """(pictures, brightness) of a clip; black ones have nothing to see."""

    def __init__(self) -> None:
        self.identity = EncoderIdentity(
            modality="video", kind="brightness", name="b", revision="1", pooling="mean", dim=2
        )
        self.dim = 2
        self.needs = InputNeeds(pictures=PictureSampling(frames=4, size=(8, 8)), singly=True)
        self.calls: list[int] = []

    def encode(self, items):
        self.calls.append(len(items))
        pictures = [np.concatenate(list(item)) for item in items]
        if any(each.max() < 20 for each in pictures):
            raise UnusableInputError("no-face", "nobody to be seen")
        return np.array([(len(each), each.mean()) for each in pictures], np.float32)


class DyingEncoder(LengthEncoder):
    """Ends its process in the middle of the work, as the system does when memory runs out."""

    def encode(self, items):
        if any("die" in item for item in items):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().encode(items)


class SlowNamedEncoder(LengthEncoder):
    """Leaves the number of the process that it works in."""

    def __init__(self, root: Path) -> None:
        super().__init__(pause=0.2)
        self.root = root

    def encode(self, items):
        (self.root / f"{os.getpid()}.pid").touch()
        return super().encode(items)
