"""Changed copies of faces for training: another camera, detector or light, for a batch of pictures at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class FaceAugmentation:
    """How far faces are changed in training. Each draw is a picture's own.

    Attributes:
        zoom: largest factor by which a face becomes larger or smaller, as the margin of a crop does.
        shift: largest shift, as a share of the picture's side.
        rotation: largest rotation, in degrees.
        shear: largest shear, as a share of the side.
        gamma: the values' exponent lies between exp(-gamma) and exp(gamma).
        shade: largest light from one side, as a share of the brightest value.
        contrast: the contrast falls to no less than 1 - contrast.
        blurred: share of the pictures that are reduced and enlarged again, as far as to ``lowest`` pixels.
        lowest: side in pixels of the coarsest picture.
        noise: largest standard deviation of noise, of values from 0 to 1.
        erased: share of the pictures that lose a rectangle.
        largest: share of a picture's area that it loses at most.
    """

    zoom: float = 1.25
    shift: float = 0.08
    rotation: float = 12.0
    shear: float = 0.06
    gamma: float = 0.4
    shade: float = 0.3
    contrast: float = 0.4
    blurred: float = 0.2
    lowest: int = 16
    noise: float = 0.02
    erased: float = 0.2
    largest: float = 0.15

    def times(self, strength: float) -> FaceAugmentation:
        """One whose changes go ``strength`` times as far; its rectangles and coarsest pictures stay what they are."""
        return replace(
            self,
            zoom=self.zoom**strength,
            shift=self.shift * strength,
            rotation=self.rotation * strength,
            shear=self.shear * strength,
            gamma=self.gamma * strength,
            shade=min(1.0, self.shade * strength),
            contrast=min(0.9, self.contrast * strength),
            blurred=min(1.0, self.blurred * strength),
            noise=self.noise * strength,
            erased=min(1.0, self.erased * strength),
        )

    def __call__(self, pixels: Tensor, size: tuple[int, int], generator: torch.Generator) -> Tensor:
        """Draw a change for each picture and make it.

        Args:
            pixels: (B, C, H, W), values from 0 to 1.
            size: (height, width) of what comes out.
            generator: where the draws come from; on the CPU.

        Returns:
            (B, C, height, width), values from 0 to 1.
        """
        pixels = self._moved(pixels, size, generator)
        pixels = self._coarsened(pixels, generator)
        pixels = self._lit(pixels, generator)
        return self._erased(pixels, generator)

    def _moved(self, pixels: Tensor, size: tuple[int, int], generator: torch.Generator) -> Tensor:
        """Mirrored, turned, sheared, zoomed and shifted; beyond the edges stands the edge."""
        count = len(pixels)
        angle = _spread(count, math.radians(self.rotation), generator)
        scale = torch.exp(_spread(count, math.log(self.zoom), generator))
        stretch = torch.exp(_spread(count, math.log(self.zoom) / 4, generator))
        mirror = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0)
        cos, sin = torch.cos(angle), torch.sin(angle)
        shear = _spread(count, self.shear, generator)
        across, down = scale * stretch, scale / stretch
        theta = torch.stack(
            [
                torch.stack([mirror * across * cos, mirror * (down * shear * cos - down * sin)], 1),
                torch.stack([across * sin, down * shear * sin + down * cos], 1),
            ],
            1,
        )
        # Coordinates run from -1 to 1, so a shift by the side is 2.
        shift = torch.stack([_spread(count, 2 * self.shift, generator) for _ in range(2)], 1)
        theta = torch.cat([theta, shift[:, :, None]], 2).to(pixels)
        grid = F.affine_grid(theta, [count, pixels.shape[1], *size], align_corners=False)
        return F.grid_sample(pixels, grid, padding_mode="border", align_corners=False)

    def _coarsened(self, pixels: Tensor, generator: torch.Generator) -> Tensor:
        """Some pictures as if they had been small; those of a batch share two sizes."""
        chosen = torch.rand(len(pixels), generator=generator) < self.blurred
        halves = torch.rand(len(pixels), generator=generator) < 0.5
        size = pixels.shape[-2:]
        for half in (chosen & halves, chosen & ~halves):
            lowest = min(1.0, self.lowest / min(size))
            share = lowest + (1 - lowest) * float(torch.rand((), generator=generator))
            if half.any():
                places = half.to(pixels.device)
                sides = [max(1, round(share * side)) for side in size]
                small = F.interpolate(pixels[places], sides, mode="area")
                large = F.interpolate(small, size, mode="bilinear", align_corners=False)
                pixels = pixels.index_put((places,), large)
        return pixels

    def _lit(self, pixels: Tensor, generator: torch.Generator) -> Tensor:
        """Gamma, light from one side, less contrast, noise."""
        count, (height, width) = len(pixels), pixels.shape[-2:]

        def each(values: Tensor) -> Tensor:
            return values.to(pixels)[:, None, None, None]

        gamma = torch.exp(_spread(count, self.gamma, generator))
        pixels = pixels.clamp(1e-3, 1.0) ** each(gamma)
        way = torch.rand(count, generator=generator) * (2 * math.pi)
        strength = torch.rand(count, generator=generator) * self.shade
        across, down = (torch.linspace(-1, 1, side).to(pixels) for side in (width, height))
        light = each(torch.cos(way)) * across + each(torch.sin(way)) * down[:, None]
        pixels = pixels * (1 + each(strength) * light)
        contrast = 1 - torch.rand(count, generator=generator) * self.contrast
        mean = pixels.mean(dim=(1, 2, 3), keepdim=True)
        pixels = mean + (pixels - mean) * each(contrast)
        spread = torch.rand(count, generator=generator) * self.noise
        noise = torch.randn(pixels.shape, generator=generator).to(pixels)
        return (pixels + noise * each(spread)).clamp(0.0, 1.0)

    def _erased(self, pixels: Tensor, generator: torch.Generator) -> Tensor:
        """A rectangle of the picture's mean, in some."""
        count, (rows, columns) = len(pixels), pixels.shape[-2:]
        area = torch.rand(count, generator=generator) * self.largest
        ratio = torch.exp(_spread(count, math.log(2.5), generator))
        height, width = (area * ratio).sqrt().clamp(max=1.0), (area / ratio).sqrt().clamp(max=1.0)
        top = torch.rand(count, generator=generator) * (1 - height)
        left = torch.rand(count, generator=generator) * (1 - width)
        within_rows = _between(rows, top, top + height)
        within_columns = _between(columns, left, left + width)
        chosen = torch.rand(count, generator=generator) < self.erased
        lost = (within_rows[:, :, None] & within_columns[:, None, :] & chosen[:, None, None]).to(
            pixels.device
        )
        return torch.where(lost[:, None], pixels.mean(dim=(2, 3), keepdim=True), pixels)


def _between(count: int, first: Tensor, last: Tensor) -> Tensor:
    """(B, count) which of so many pixels, evenly over a side of length 1, lie between the two places."""
    at = (torch.arange(count) + 0.5) / count
    return (at >= first[:, None]) & (at < last[:, None])


def _spread(count: int, most: float, generator: torch.Generator) -> Tensor:
    """(count,) evenly from -most to most."""
    return (torch.rand(count, generator=generator) * 2 - 1) * most
