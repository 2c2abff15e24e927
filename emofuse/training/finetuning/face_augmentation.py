"""Faces as another camera, detector or light would have given them: changes of whole batches of pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass

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

    def __call__(self, pixels: Tensor, size: int, generator: torch.Generator) -> Tensor:
        """Draw a change for each picture and make it.

        Args:
            pixels: (B, C, H, W), values from 0 to 1.
            size: side of what comes out.
            generator: where the draws come from; on the CPU.

        Returns:
            (B, C, size, size), values from 0 to 1.
        """
        pixels = self._moved(pixels, size, generator)
        pixels = self._coarsened(pixels, generator)
        pixels = self._lit(pixels, generator)
        return self._erased(pixels, generator)

    def _moved(self, pixels: Tensor, size: int, generator: torch.Generator) -> Tensor:
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
        grid = F.affine_grid(theta, [count, pixels.shape[1], size, size], align_corners=False)
        return F.grid_sample(pixels, grid, padding_mode="border", align_corners=False)

    def _coarsened(self, pixels: Tensor, generator: torch.Generator) -> Tensor:
        """Some pictures as if they had been small; those of a batch share two sizes."""
        chosen = torch.rand(len(pixels), generator=generator) < self.blurred
        halves = torch.rand(len(pixels), generator=generator) < 0.5
        size = pixels.shape[-1]
        for half in (chosen & halves, chosen & ~halves):
            side = int(torch.randint(min(self.lowest, size), size + 1, (), generator=generator))
            if half.any():
                places = half.to(pixels.device)
                small = F.interpolate(pixels[places], (side, side), mode="area")
                large = F.interpolate(small, (size, size), mode="bilinear", align_corners=False)
                pixels = pixels.index_put((places,), large)
        return pixels

    def _lit(self, pixels: Tensor, generator: torch.Generator) -> Tensor:
        """Gamma, light from one side, less contrast, noise."""
        count, size = len(pixels), pixels.shape[-1]

        def each(values: Tensor) -> Tensor:
            return values.to(pixels)[:, None, None, None]

        gamma = torch.exp(_spread(count, self.gamma, generator))
        pixels = pixels.clamp(1e-3, 1.0) ** each(gamma)
        way = torch.rand(count, generator=generator) * (2 * math.pi)
        strength = torch.rand(count, generator=generator) * self.shade
        ramp = torch.linspace(-1, 1, size, device=pixels.device, dtype=pixels.dtype)
        light = each(torch.cos(way)) * ramp + each(torch.sin(way)) * ramp[:, None]
        pixels = pixels * (1 + each(strength) * light)
        contrast = 1 - torch.rand(count, generator=generator) * self.contrast
        mean = pixels.mean(dim=(1, 2, 3), keepdim=True)
        pixels = mean + (pixels - mean) * each(contrast)
        spread = torch.rand(count, generator=generator) * self.noise
        noise = torch.randn(pixels.shape, generator=generator).to(pixels)
        return (pixels + noise * each(spread)).clamp(0.0, 1.0)

    def _erased(self, pixels: Tensor, generator: torch.Generator) -> Tensor:
        """A rectangle of the picture's mean, in some."""
        count, size = len(pixels), pixels.shape[-1]
        area = torch.rand(count, generator=generator) * self.largest
        ratio = torch.exp(_spread(count, math.log(2.5), generator))
        height, width = (area * ratio).sqrt().clamp(max=1.0), (area / ratio).sqrt().clamp(max=1.0)
        top = torch.rand(count, generator=generator) * (1 - height)
        left = torch.rand(count, generator=generator) * (1 - width)
        at = (torch.arange(size) + 0.5) / size
        rows = (at >= top[:, None]) & (at < (top + height)[:, None])
        columns = (at >= left[:, None]) & (at < (left + width)[:, None])
        chosen = torch.rand(count, generator=generator) < self.erased
        lost = (rows[:, :, None] & columns[:, None, :] & chosen[:, None, None]).to(pixels.device)
        return torch.where(lost[:, None], pixels.mean(dim=(2, 3), keepdim=True), pixels)


def _spread(count: int, most: float, generator: torch.Generator) -> Tensor:
    """(count,) evenly from -most to most."""
    return (torch.rand(count, generator=generator) * 2 - 1) * most
