"""The objectives: what a network is asked for, how its answer is scored, and how it becomes a colour.

Body, data order and evaluation are the same for all; an `Objective` is the only difference. To add one, write a
subclass with `channels`, `score` and `decode`, and list it in `make_objective`. Images called rgb are in 0..1, or
uint8, which are converted faster.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .color import lightness, luma, rgb_to_lab
from .networks import OUTPUT_STRIDE
from .quantize import rebalancing_weights, soft_encode_map, soft_entropy
from .readout import Readout

AB_SCALE = 110.0
"""Regression heads predict ab / 110, as the PyTorch port does, so that outputs and gradients are of order one."""


def upsample(x: Tensor, size: tuple[int, int] | None = None) -> Tensor:
    """Bilinear enlargement by four, [b, c, h, w] -> [b, c, 4h, 4w], the last layer of the original; or to a size."""
    size = size or (OUTPUT_STRIDE * x.shape[-2], OUTPUT_STRIDE * x.shape[-1])
    return x if x.shape[-2:] == size else F.interpolate(x, size, mode="bilinear", align_corners=False)


def subsample(x: Tensor, stride: int = OUTPUT_STRIDE) -> Tensor:
    """Every fourth pixel, as the original takes its labels (not an average): [..., h, w] -> [..., h/4, w/4]."""
    return x[..., ::stride, ::stride]


def label_ab(rgb: Tensor, stride: int = OUTPUT_STRIDE) -> Tensor:
    """The labels of images [b, 3, h, w], uint8 or in 0..1: ab of every fourth pixel, [b, 2, h/4, w/4]."""
    return rgb_to_lab(subsample(rgb, stride))[:, 1:]


def stride_of(output: Tensor, rgb: Tensor) -> int:
    """Pixels of the images rgb [b, 3, h, w] to one position of a network's output: 4, or 1 where it is of full size."""
    return rgb.shape[-1] // output.shape[-1]


def _unit(rgb: Tensor) -> Tensor:
    return rgb / 255 if rgb.dtype == torch.uint8 else rgb


def reduce(per_position: Tensor, reduction: str) -> Tensor:
    """Turn a loss map [b, h, w] into a number: "mean" over all positions, or "sum" over them and mean over images.

    The Caffe layer sums; Adam hides the factor except against eps and coupled weight decay, which "sum" makes
    weaker by the number of positions. A preset therefore fixes reduction and weight decay together.
    """
    return per_position.mean() if reduction == "mean" else per_position.sum((1, 2)).mean()


@dataclass(frozen=True)
class Score:
    """loss: what is minimised. plain, excess: means per position to log; excess is above the least possible value."""

    loss: Tensor
    plain: Tensor
    excess: Tensor


class Objective(nn.Module):
    """What a network is asked for; its tables are buffers, so that they are where the network is, and
    not saved with it, because they follow from the prior.

    Outputs are written [b, c, h/4, w/4] here. Those of regression may also be of full size: the labels are as dense as
    they, and nothing is enlarged.
    """

    channels: int
    """Of the network's output."""

    def __init__(self, name: str, reduction: str = "mean"):
        super().__init__()
        self.name, self.reduction = name, reduction

    def network_input(self, rgb: Tensor) -> Tensor:
        """Lightness L of images [b, 3, h, w]: [b, 1, h, w] in 0..100."""
        return lightness(rgb)

    def score(self, output: Tensor, rgb: Tensor) -> Score:
        """Loss of the network's output [b, channels, h/4, w/4] for images [b, 3, h, w]."""
        raise NotImplementedError

    def decode(self, output: Tensor, rgb: Tensor) -> Tensor:
        """The colorized images as Lab [b, 3, h, w], unclipped; of `rgb` only the lightness is looked at."""
        raise NotImplementedError


class StudentMSE(Objective):
    """Mean squared error on RGB, as the student paper most likely had it: grey image in, RGB image out.

    Input is torchvision's Grayscale (ITU-R 601 luma of the encoded values), target the image itself. The output at
    quarter resolution is enlarged by four before the error is taken, so its lightness is blurred: what was asked for.
    """

    channels = 3

    def __init__(self, name: str = "student_mse", reduction: str = "mean"):
        super().__init__(name, reduction)

    def network_input(self, rgb: Tensor) -> Tensor:
        """Luma [b, 1, h, w] on the scale 0..100 of L."""
        return 100 * luma(_unit(rgb))

    def score(self, output: Tensor, rgb: Tensor) -> Score:
        """output: [b, 3, h/4, w/4]; rgb: [b, 3, h, w]. Squared error, mean over channels (nn.MSELoss)."""
        squared = (upsample(self._rgb(output), rgb.shape[-2:]) - _unit(rgb)).square().mean(1)
        return Score(reduce(squared, self.reduction), squared.mean(), squared.mean())

    def decode(self, output: Tensor, rgb: Tensor) -> Tensor:
        """The predicted image as Lab [b, 3, h, w]: colour and lightness both the network's."""
        return rgb_to_lab(upsample(self._rgb(output), rgb.shape[-2:]).clamp(0, 1))

    def _rgb(self, output: Tensor) -> Tensor:
        return output + 0.5  # a new head answers mid grey


def pixel_weights(weights: Tensor, ab: Tensor, index: Tensor) -> Tensor:
    """Rebalancing weight v(Z) of each position [b, h/4, w/4]: that of the label's likeliest colour, eq. 3.

    weights: of the colours, [313]. ab: labels [b, 2, h/4, w/4]. index: their nearest colours [b, h/4, w/4]. As in the
    released training net, images whose labels never leave |a|, |b| <= 5 count for nothing.
    """
    coloured = (ab.abs() > 5).flatten(1).any(1)
    return weights.to(ab)[index] * coloured[:, None, None]


class L2(Objective):
    """Half the squared error in ab at quarter resolution, eq. 1 of Zhang et al., in units of (ab / 110)^2.

    prior: distribution of the training data over the 313 colours, to weigh pixels exactly as rebalanced cross entropy
    does; None for none. The minimiser is then the mean of the posterior tilted by the weights, not the posterior's.
    """

    channels = 2

    def __init__(self, name: str = "l2", reduction: str = "mean", prior: Tensor | None = None, lambda_: float = 0.5):
        super().__init__(name, reduction)
        self.lambda_, weights = lambda_, None if prior is None else rebalancing_weights(prior, lambda_)
        self.register_buffer("prior", prior, persistent=False)
        self.register_buffer("weights", weights, persistent=False)

    def score(self, output: Tensor, rgb: Tensor) -> Score:
        """output: [b, 2, h/4, w/4]; rgb: [b, 3, h, w]."""
        ab = label_ab(rgb, stride_of(output, rgb))
        half_squared = (output - ab / AB_SCALE).square().sum(1) / 2
        weighted = half_squared
        if self.weights is not None:
            weighted = pixel_weights(self.weights, ab, soft_encode_map(ab, 1, displayable=True)[0][:, 0]) * half_squared
        return Score(reduce(weighted, self.reduction), half_squared.mean(), half_squared.mean())

    def decode(self, output: Tensor, rgb: Tensor) -> Tensor:
        """Lab [b, 3, h, w]: the predicted ab, enlarged, under the true L."""
        return torch.cat([self.network_input(rgb), upsample(output * AB_SCALE, rgb.shape[-2:])], 1)


class CrossEntropy(Objective):
    """Soft cross entropy over the 313 colours, eq. 2; its pixel weight v is 1, or with lambda_ < 1 that of eq. 3 and 4.

    prior: distribution of the training data over the colours, [313]. lambda_ = 1 is the unweighted loss, for which
    the buffer `weights` [313] is all ones.
    """

    channels = 313

    def __init__(
        self, name: str, prior: Tensor, lambda_: float = 1.0, neighbours: int = 5, sigma: float = 5.0,
        temperature: float = 0.38, reduction: str = "mean",
    ):  # fmt: skip
        super().__init__(name, reduction)
        self.lambda_, self.neighbours, self.sigma, self.temperature = lambda_, neighbours, sigma, temperature
        self.register_buffer("prior", prior, persistent=False)
        self.register_buffer("weights", rebalancing_weights(prior, lambda_), persistent=False)

    def targets(self, ab: Tensor) -> tuple[Tensor, Tensor]:
        """Bins and weights [b, k, h/4, w/4] of the soft-encoded labels ab [b, 2, h/4, w/4]."""
        return soft_encode_map(ab, self.neighbours, self.sigma, displayable=True)

    def pixel_weights(self, ab: Tensor, index: Tensor) -> Tensor:
        """Weight of each position [b, h/4, w/4], see `pixel_weights`; ones without rebalancing."""
        if self.lambda_ == 1:
            return torch.ones_like(index[:, 0], dtype=ab.dtype)
        return pixel_weights(self.weights, ab, index[:, 0])

    def score(self, output: Tensor, rgb: Tensor) -> Score:
        """output: logits [b, 313, h/4, w/4]; rgb: [b, 3, h, w]. Nats a position; excess is above the target's entropy.

        The weights stand in the forward value here; in Caffe they act on the gradient only, which comes to the same.
        """
        ab = label_ab(rgb)
        index, weight = self.targets(ab)
        # with the colours as the last axis, as the network lays them out in memory, this is three times as fast
        cross_entropy = _SoftCrossEntropy.apply(*(x.movedim(1, -1) for x in (output, index, weight)))
        plain = cross_entropy.mean()
        loss = reduce(self.pixel_weights(ab, index) * cross_entropy, self.reduction)
        return Score(loss, plain, plain - soft_entropy(weight).mean())

    def decode(self, output: Tensor, rgb: Tensor, readout: Readout | None = None) -> Tensor:
        """Lab [b, 3, h, w]: colours read at the positions of the output, enlarged, under the true L.

        readout: what is asked of the distribution; by default the annealed mean at the configured temperature.
        """
        ab = (readout or Readout(self.temperature))(output, self.prior)
        return torch.cat([self.network_input(rgb), upsample(ab, rgb.shape[-2:])], 1)


class _SoftCrossEntropy(torch.autograd.Function):
    """-sum_k w_k log softmax(z)[i_k] over the last axis, with its gradient softmax(z) sum_k w_k - w written out.

    The same as PyTorch finds by itself through log_softmax and gather, in fewer passes over the logits, which are the
    largest thing that the loss touches: the logarithm is taken only where a target asks for it. A probability below
    the least normal number counts as that one, 87 nats in single precision; the gradient knows no such floor.
    """

    @staticmethod
    def forward(ctx, logits: Tensor, index: Tensor, weight: Tensor) -> Tensor:
        probability = torch.softmax(logits, -1)
        ctx.save_for_backward(probability, index, weight)
        wanted = probability.gather(-1, index).clamp_min(torch.finfo(logits.dtype).tiny)
        return -(weight * wanted.log()).sum(-1)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None]:
        probability, index, weight = ctx.saved_tensors
        pull = gradient[..., None] * weight
        return (probability * pull.sum(-1, keepdim=True)).scatter_add_(-1, index, -pull), None, None


_KINDS = {"student_mse": StudentMSE, "l2": L2, "l2_rebal": L2, "ce": CrossEntropy, "ce_rebal": CrossEntropy}
HEADS = {arm: kind.channels for arm, kind in _KINDS.items()}
"""Output channels of each arm."""
NEEDS_PRIOR = ("l2_rebal", "ce", "ce_rebal")
"""Arms whose objective uses the prior of the training data."""


def make_objective(arm: str, config, prior: Tensor | None = None) -> Objective:
    """The objective of an arm; those of `NEEDS_PRIOR` need the prior of the training data [313]."""
    if arm not in HEADS:
        raise ValueError(f"arm={arm!r} is unknown; choose one of {', '.join(HEADS)}")
    if arm in NEEDS_PRIOR and prior is None:
        raise ValueError(f"arm {arm!r} needs the prior of the training data")
    if arm == "student_mse":
        return StudentMSE(reduction=config.reduction)
    if arm in ("l2", "l2_rebal"):
        return L2(arm, config.reduction, prior if arm == "l2_rebal" else None, config.lambda_)
    lambda_ = config.lambda_ if arm == "ce_rebal" else 1.0
    return CrossEntropy(arm, prior, lambda_, config.neighbours, config.sigma, config.temperature, config.reduction)
