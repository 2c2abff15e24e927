"""Visual sequence compression: DeepMSI-MER, section 3.1.1, Eq. 1-3."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from emofuse.errors import EmofuseError
from emofuse.nn.exporting import best_first, longest
from emofuse.nn.real_steps import real_first
from emofuse.nn.shortest import SHORTEST


class VisualSequenceCompression(nn.Module):
    """Keeps the visual tokens that agree with what was said and folds the others into them.

    Eq. 1: m_cls = mean of the tokens + G_cls. Eq. 2: a token's score is cos(token, m_cls) / τ; the best
    ``keep`` tokens are the relevant ones (or, with ``threshold``, all that score at least γ). Eq. 3: every
    irrelevant token goes to the relevant token that it is most like (cosine); a relevant token Z_j with
    irrelevant tokens Z_i becomes α·Z_j + (1 - α)·mean_i Z_i, one without any stays as it is.

    The module has no weights. Scores are computed in float32 whatever the tokens' type, equal scores are
    ranked by position (lower first), and no operation in it depends on the order of atomic additions.

    Choosing tokens has no derivative, so the equations as printed give none to G_cls: whatever makes it
    would never learn. ``straight_through`` multiplies each kept token by 1 + s - stop_gradient(s), which
    leaves every value as it is and hands the token's gradient to its score s.

    Args:
        dim: width d of the tokens.
        keep: L, how many tokens are kept; all of them where an image has no more than that.
        threshold: γ of Eq. 2. When given, ``keep`` is not used and the count varies by image; at least the
            best token is kept.
        alpha: α of Eq. 3, the share of its own value that a kept token retains.
        temperature: τ of Eq. 2. It scales the scores, hence the meaning of γ and the size of the
            straight-through gradient; it changes no ranking.
        merge: False drops the irrelevant tokens without Eq. 3.
        straight_through: whether gradients reach the scores, and through them the context.

    Raises:
        EmofuseError: for settings outside their range.
    """

    def __init__(
        self,
        dim: int,
        keep: int = 196,
        threshold: float | None = None,
        alpha: float = 0.9,
        temperature: float = 1.0,
        merge: bool = True,
        straight_through: bool = True,
    ) -> None:
        super().__init__()
        if keep < 1:
            raise EmofuseError(f"visual sequence compression must keep at least 1 token, not {keep}")
        if not 0.0 <= alpha <= 1.0:
            raise EmofuseError(f"alpha of visual sequence compression lies between 0 and 1, not {alpha}")
        if temperature <= 0.0:
            raise EmofuseError(
                f"the temperature of visual sequence compression is positive, not {temperature}"
            )
        self.dim = dim
        self.keep = keep
        self.threshold = threshold
        self.alpha = alpha
        self.temperature = temperature
        self.merge = merge
        self.straight_through = straight_through

    def forward(
        self, tokens: Tensor, context: Tensor | None = None, valid: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Compress the tokens of each image.

        Args:
            tokens: (B, N, d).
            context: G_cls, (B, d); None steers by the image alone.
            valid: (B, N) bool, False for tokens that are not there (threshold mode only).

        Returns:
            The kept tokens (B, L, d) in their old order and their positions (B, L), ascending. With a
            threshold L is the largest count in the batch; images that keep fewer are padded at the end with
            zero tokens at position -1, so ``kept >= 0`` is the mask.

        Raises:
            ValueError: if the shapes do not fit, or ``valid`` is given without a threshold.
        """
        self._check(tokens, context, valid)
        batch, count, _ = tokens.shape
        if count == 0 or (self.threshold is None and self.keep >= count):
            return tokens, torch.arange(count, device=tokens.device).expand(batch, count)
        scores = self.scores(tokens, context, valid)
        if self.threshold is None:
            return self._keep_best(tokens, scores)
        return self._keep_above(tokens, scores, self.threshold, valid)

    def scores(self, tokens: Tensor, context: Tensor | None = None, valid: Tensor | None = None) -> Tensor:
        """Eq. 1 and 2: (B, N) cosine similarities to m_cls over τ, in float32 or wider; see `forward`."""
        tokens = _at_least_float32(tokens)
        if valid is None:
            m_cls = tokens.mean(dim=1)
        else:
            present = valid.unsqueeze(-1).to(tokens.dtype)
            m_cls = (tokens * present).sum(dim=1) / present.sum(dim=1).clamp(min=1.0)
        if context is not None:
            m_cls = m_cls + context.to(m_cls.dtype)
        along = (tokens * F.normalize(m_cls, dim=-1).unsqueeze(1)).sum(dim=-1)
        lengths = torch.linalg.vector_norm(tokens, dim=-1).clamp(min=SHORTEST)
        return along / lengths / self.temperature

    def _keep_best(self, tokens: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        order = best_first(scores.detach())
        kept = order[:, : self.keep].sort(dim=1).values
        relevant = _gather(tokens, kept)
        if self.merge:
            irrelevant = _gather(tokens, order[:, self.keep :].sort(dim=1).values)
            relevant = self._fuse(relevant, irrelevant)
        return self._pass_gradient(relevant, scores, kept), kept

    def _keep_above(
        self, tokens: Tensor, scores: Tensor, threshold: float, valid: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        ranked = scores.detach()
        if valid is not None:
            ranked = ranked.masked_fill(~valid, -torch.inf)
        best = F.one_hot(ranked.argmax(dim=1), tokens.shape[1]).bool()
        chosen = (ranked >= threshold) | best
        counts = chosen.sum(dim=1)
        most = longest(counts, tokens.shape[1]) if counts.shape[0] else 0
        positions = real_first(chosen)[:, :most]
        real = torch.arange(most, device=tokens.device) < counts.unsqueeze(1)
        relevant = _gather(tokens, positions)
        if self.merge:
            left_over = ~chosen if valid is None else ~chosen & valid
            relevant = self._fuse(relevant, tokens, real, left_over)
        relevant = self._pass_gradient(relevant, scores, positions)
        return relevant.masked_fill(~real.unsqueeze(-1), 0.0), positions.masked_fill(~real, -1)

    def _fuse(
        self,
        relevant: Tensor,
        irrelevant: Tensor,
        is_relevant: Tensor | None = None,
        is_irrelevant: Tensor | None = None,
    ) -> Tensor:
        """Eq. 3 over (B, L, d) and (B, M, d), with optional masks (B, L) and (B, M)."""
        with torch.autocast(relevant.device.type, enabled=False):
            kept, rest = _at_least_float32(relevant), _at_least_float32(irrelevant)
            with torch.no_grad():
                likeness = F.normalize(rest, dim=-1) @ F.normalize(kept, dim=-1).transpose(1, 2)
                if is_relevant is not None:
                    likeness = likeness.masked_fill(~is_relevant.unsqueeze(1), -torch.inf)
                # A matrix product instead of scatter_add: on a GPU the latter sums in no fixed order.
                assigned = F.one_hot(likeness.argmax(dim=2), kept.shape[1]).to(kept.dtype)
                if is_irrelevant is not None:
                    assigned = assigned * is_irrelevant.unsqueeze(-1)
                per_token = assigned.sum(dim=1).unsqueeze(-1)
                own_share = torch.ones_like(per_token).masked_fill(per_token > 0, self.alpha)
            mean = assigned.transpose(1, 2) @ rest / per_token.clamp(min=1.0)
            fused = torch.lerp(mean, kept, own_share)
        return fused.to(relevant.dtype)

    def _pass_gradient(self, relevant: Tensor, scores: Tensor, kept: Tensor) -> Tensor:
        if not (self.straight_through and scores.requires_grad):
            return relevant
        score = scores.gather(1, kept)
        return relevant * (1.0 + (score - score.detach())).unsqueeze(-1).to(relevant.dtype)

    def _check(self, tokens: Tensor, context: Tensor | None, valid: Tensor | None) -> None:
        if tokens.dim() != 3 or tokens.shape[-1] != self.dim:
            raise ValueError(f"expected tokens (B, N, {self.dim}), got {tuple(tokens.shape)}")
        if context is not None and context.shape != (tokens.shape[0], self.dim):
            raise ValueError(f"expected context {(tokens.shape[0], self.dim)}, got {tuple(context.shape)}")
        if valid is not None and (self.threshold is None or valid.shape != tokens.shape[:2]):
            raise ValueError("a mask of valid tokens needs a threshold and the shape (B, N)")

    def extra_repr(self) -> str:
        """Settings, for `print`."""
        how_many = f"keep={self.keep}" if self.threshold is None else f"threshold={self.threshold}"
        return f"dim={self.dim}, {how_many}, alpha={self.alpha}, temperature={self.temperature}"


def _gather(tokens: Tensor, positions: Tensor) -> Tensor:
    """Tokens (B, N, d) at positions (B, L). `Tensor.gather` would copy them number by number."""
    firsts = torch.arange(tokens.shape[0], device=tokens.device).unsqueeze(1) * tokens.shape[1]
    chosen = tokens.flatten(0, 1).index_select(0, (firsts + positions).flatten())
    return chosen.unflatten(0, positions.shape)


def _at_least_float32(values: Tensor) -> Tensor:
    return values if values.dtype == torch.float64 else values.float()
