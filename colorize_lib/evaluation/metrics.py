"""How good a colorization is: every metric as a ratio of two sums over images.

`measure` runs a predictor over images and returns one row of sums and counts an image; `METRICS` (metrics.toml)
says which two columns make which metric. So a metric of any subset of images (dark ones, one class, a bootstrap
sample) is a sum of rows and one division, and `intervals` can put an interval on all of them at once.

Frozen choices (sources differ on each): errors in ab are taken at full resolution, from the colour as decoded, before
clipping; what an eye would judge (PSNR, SSIM, CIEDE2000, colourfulness) from the image as shown, clipped to sRGB and
rounded to 8 bits. Pixels are pooled over images unless a definition says otherwise.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Protocol

import numpy as np
import pandas as pd
import torch
from scipy.special import rel_entr
from torch import Tensor

from ..color import clip_rgb, hue, lab_to_rgb, out_of_gamut_share, rgb_to_lab, to_unit
from ..objectives import subsample
from ..quantize import BINS, GRID, ab_gamut_centers, nearest_bin, rebalancing_weights, soft_encode_map, soft_entropy

REACH = 150
"""Largest threshold of the AuC in ab units; a worse error counts as this."""
SECTORS = {"red": 345, "orange": 50, "yellow": 75, "green": 105, "blue": 190, "purple": 310}
"""Hue sectors by the angle (degrees) at which each begins; it ends where the next one begins."""
VIVID, NEUTRAL, HIT, NEAR = 20, 10, 20, 10
"""Chroma above which a pixel has a hue, chroma below which it is neutral, ab distances within which it is right, and
nearly exact."""
WINDOW, WINDOW_SIGMA = 11, 1.5  # of SSIM
TENTHS = 10  # of confidence, in the calibration curve
VERSION = 3
"""Of what is measured; a change of a sum's meaning raises it, and what was measured before is measured anew."""


def _length(ab: Tensor) -> Tensor:
    return torch.hypot(ab[:, 0], ab[:, 1])  # on a CPU twenty times as fast as a norm over the channel axis


def _sum(x: Tensor) -> Tensor:
    return x.flatten(1).sum(1, dtype=torch.float64)


def _sums_by(group: Tensor, groups: int, values: list[Tensor]) -> Tensor:
    """Sum each map [b, ...] within each group of positions (numbers [b, ...]): float64 [b, groups, len(values)]."""
    member = group.flatten(1)[:, None] == torch.arange(groups, device=group.device)[:, None]
    stacked = torch.stack([value.flatten(1).double() for value in values], 2)
    return member.double() @ stacked  # a product, unlike bincount, sums in the same order on every run on a GPU


def ciede2000(lab1: Tensor, lab2: Tensor) -> Tensor:
    """CIEDE2000 colour difference of Lab images [..., 3, h, w] -> [..., h, w]; about 1 is just noticeable.

    Source: Sharma, Wu and Dalal, Color Research and Application 30(1), 2005, equations 2 to 22 (weights 1).
    """
    L1, a1, b1 = lab1.unbind(-3)
    L2, a2, b2 = lab2.unbind(-3)
    seventh = ((torch.hypot(a1, b1) + torch.hypot(a2, b2)) / 2) ** 7
    stretch = 1.5 - 0.5 * torch.sqrt(seventh / (seventh + 25.0**7))
    C1, C2 = torch.hypot(stretch * a1, b1), torch.hypot(stretch * a2, b2)
    h1 = torch.atan2(b1, stretch * a1) % (2 * torch.pi)
    h2 = torch.atan2(b2, stretch * a2) % (2 * torch.pi)
    grey = (C1 * C2) == 0  # hue undefined: no hue difference, and the mean hue is the other one's
    turn = h2 - h1
    far = (turn.abs() > torch.pi).to(turn)
    turn = torch.where(grey, 0.0, turn - 2 * torch.pi * torch.sign(turn) * far)
    dH = 2 * torch.sqrt(C1 * C2) * torch.sin(turn / 2)
    dL, dC, L, C = L2 - L1, C2 - C1, (L1 + L2) / 2, (C1 + C2) / 2
    h = torch.where(grey, h1 + h2, (h1 + h2) / 2 + torch.pi * far)
    T = 1 - 0.17 * torch.cos(h - torch.pi / 6) + 0.24 * torch.cos(2 * h)
    T = T + 0.32 * torch.cos(3 * h + torch.pi / 30) - 0.20 * torch.cos(4 * h - 63 * torch.pi / 180)
    # the mean hue is only needed up to full turns, except in the blue term
    degrees = torch.rad2deg(h) % 360
    seventh = C**7
    twist = 2 * torch.sqrt(seventh / (seventh + 25.0**7))
    twist = -twist * torch.sin(torch.pi / 3 * torch.exp(-(((degrees - 275) / 25) ** 2)))
    middle = (L - 50) ** 2
    dL = dL / (1 + 0.015 * middle / torch.sqrt(20 + middle))
    dC, dH = dC / (1 + 0.045 * C), dH / (1 + 0.015 * C * T)
    return torch.sqrt((dL**2 + dC**2 + dH**2 + twist * dC * dH).clamp_min(0))


@lru_cache(maxsize=8)
def _blur(side: int, device: torch.device) -> Tensor:
    """The Gaussian window at every place where it fits, as a matrix, float64 [side - 10, side]."""
    offset = torch.arange(side, device=device) - torch.arange(side - WINDOW + 1, device=device)[:, None] - WINDOW // 2
    weight = torch.exp(-0.5 * (offset.double() / WINDOW_SIGMA) ** 2) * (offset.abs() <= WINDOW // 2)
    return weight / weight.sum(1, keepdim=True)


def ssim(rgb1: Tensor, rgb2: Tensor) -> Tensor:
    """Structural similarity of rgb images [b, 3, h, w] in 0..1: mean over channels and windows, [b].

    Source: Wang et al., IEEE Transactions on Image Processing 13(4), 2004: Gaussian window 11 x 11, sigma 1.5,
    K = 0.01, 0.03; windows that leave the image are left out, as in scikit-image. Sides of at least 11.
    """
    x, y = rgb1.double(), rgb2.double()
    rows, columns = (_blur(side, x.device) for side in x.shape[-2:])
    mx, my, xx, yy, xy = rows @ torch.stack([x, y, x * x, y * y, x * y]) @ columns.T
    c1, c2 = 0.01**2, 0.03**2
    alike = (2 * mx * my + c1) * (2 * (xy - mx * my) + c2)
    return (alike / ((mx**2 + my**2 + c1) * (xx - mx**2 + yy - my**2 + c2))).mean((1, 2, 3))


def colourfulness(rgb: Tensor) -> Tensor:
    """Colourfulness M3 of images [b, 3, h, w] in 0..255: [b]; 15 slightly, 45 averagely, 82 highly colourful.

    Source: Hasler and Süsstrunk, SPIE 5007, 2003: of the opponents rg = R - G and yb = (R + G) / 2 - B, spread
    + 0.3 mean. Some public code takes |rg| and |yb| first, which gives another, much smaller number.
    """
    r, g, b = rgb.flatten(2).unbind(1)
    rg, yb = r - g, (r + g) / 2 - b
    spread = torch.sqrt(rg.var(1, correction=0) + yb.var(1, correction=0))
    return spread + 0.3 * torch.hypot(rg.mean(1), yb.mean(1))


def hue_sector(ab: Tensor) -> Tensor:
    """Number of the hue sector (order of `SECTORS`): [b, 2, h, w] -> int64 [b, h, w]."""
    bounds = torch.tensor(sorted(SECTORS.values()), device=ab.device, dtype=ab.dtype)
    return torch.bucketize(hue(ab), bounds, right=True) % len(SECTORS)


@lru_cache(maxsize=4)
def _bin_of_grid(device: torch.device) -> Tensor:
    """Number of the colour at each grid point with |a|, |b| <= 130, -1 where there is none: int64 [27, 27]."""
    table = torch.full((27, 27), -1, device=device)
    at = (ab_gamut_centers().long() // GRID + 13).to(device)
    table[at[:, 0], at[:, 1]] = torch.arange(len(at), device=device)
    return table


def bin_map(ab: Tensor) -> Tensor:
    """Number of the nearest of the 313 colours: [b, 2, h, w] -> int64 [b, h, w]; the lowest number of equals.

    The same as `quantize.nearest_bin`, forty times as fast: the nearest grid point is found by rounding (halves down,
    towards lower numbers), and only colours whose grid point is not in the list are compared with others.
    """
    a, b = torch.ceil(ab / GRID - 0.5).clamp(-13, 13).long().add(13).unbind(1)
    bins = _bin_of_grid(ab.device)[a, b]
    outside = bins < 0
    if outside.any():
        bins[outside] = nearest_bin(ab.movedim(1, -1)[outside])
    return bins


@dataclass(frozen=True, eq=False)
class Truth:
    """What a batch of true images gives to every system that is measured on it, made once.

    lab: [b, 3, h, w]. chroma, weight (1 / p of its nearest colour, 0 without p), sector (number of the hue sector, -1
    where the chroma is at most `VIVID`): maps [b, h, w]. shown: 8-bit rgb in 0..255, [b, 3, h, w]. sums: {column:
    float64 [b]}.
    """

    lab: Tensor
    chroma: Tensor
    weight: Tensor
    sector: Tensor
    shown: Tensor
    sums: dict[str, Tensor]

    @classmethod
    def of(cls, lab: Tensor, prior: Tensor) -> Truth:
        """From Lab images [b, 3, h, w] and the prior [313] that balances the AuC: that of the training data.

        Pixels whose true colour has prior 0 cannot be weighted; they are left out of the balanced sums and counted in
        `n_unseen`. Raises ValueError for another shape, sides below 11, or a prior of another length.
        """
        if lab.ndim != 4 or lab.shape[1] != 3:
            raise ValueError(f"true images must be [b, 3, h, w]; got {tuple(lab.shape)}")
        if min(lab.shape[2:]) < WINDOW:
            raise ValueError(f"images of {tuple(lab.shape[2:])} pixels are too small; SSIM needs {WINDOW} a side")
        if prior.shape != (BINS,):
            raise ValueError(f"prior must be [{BINS}]; got {tuple(prior.shape)}")
        lab, prior = lab.float(), prior.to(lab.device)
        ab, bins = lab[:, 1:], bin_map(lab[:, 1:])
        chroma, weight = _length(ab), rebalancing_weights(prior.double(), 0.0)[bins]
        sector = torch.where(chroma > VIVID, hue_sector(ab), -1)
        shown = _shown(lab)
        n = torch.full((len(lab),), float(lab[0, 0].numel()), dtype=torch.float64, device=lab.device)
        sums = {"images": torch.ones_like(n), "n": n, "n_unseen": _sum(prior[bins] == 0), "bal_w": _sum(weight)}
        sums |= {"chroma_true": _sum(chroma), "label_chroma_true": _sum(subsample(chroma))}
        sums |= {"colourfulness_true": colourfulness(shown).double()}
        mean_colour = (prior.float() @ ab_gamut_centers().to(prior.device))[:, None, None]
        sums["err_mean"] = _sum(_length(ab - mean_colour).clamp(max=REACH))
        by_hue = _sums_by(sector, len(SECTORS), [torch.ones_like(chroma), chroma])
        sums |= {f"{c}_{s}": by_hue[:, i, j] for i, s in enumerate(SECTORS) for j, c in enumerate(("n", "ct"))}
        sums |= {"n_vivid": by_hue[:, :, 0].sum(1), "n_neutral": _sum(chroma < NEUTRAL)}
        sums |= {"mean_L": _sum(lab[:, 0]) / n, "share_white": _sum(lab[:, 0] > 90) / n}
        spread = ab.flatten(2).double().var(2, correction=0).sum(1).sqrt()
        return cls(
            lab, chroma, weight, sector, shown, sums | {"mean_chroma": sums["chroma_true"] / n, "spread": spread}
        )


def system_sums(pred_lab: Tensor, truth: Truth, reference: Tensor | None = None) -> dict[str, Tensor]:
    """The sums that depend on what is predicted, Lab [b, 3, h, w]; each float64 [b].

    reference: another prediction as shown, see `as_shown`, from which the CIEDE2000 difference is taken as well. Raises
    ValueError for another shape than the truth's, and for a prediction that is not finite.
    """
    if pred_lab.shape != truth.lab.shape:
        raise ValueError(f"both must be [b, 3, h, w]; got {tuple(pred_lab.shape)} and {tuple(truth.lab.shape)}")
    if not torch.isfinite(pred_lab).all():
        raise ValueError("the prediction holds NaN or infinity; has the network diverged?")
    pred_lab = pred_lab.float()
    pred, true = pred_lab[:, 1:], truth.lab[:, 1:]
    distance, chroma = _length(pred - true), _length(pred)
    clipped = distance.clamp(max=REACH)
    sums = {"err": _sum(clipped), "err2": _sum(distance.square()), "bal_err": _sum(truth.weight * clipped)}
    shown, de = _display_sums(pred_lab, truth, reference)
    along = (pred * true).sum(1) / truth.chroma.clamp_min(1e-6)  # a grey pixel has no hue to project on
    sums |= shown | {"chroma_pred": _sum(chroma), "along": _sum(along)}
    sums |= _hue_sums(pred, truth, distance, chroma, along) | _neutral_sums(pred - true, de, distance, chroma, truth)
    return sums


def as_shown(lab: Tensor) -> Tensor:
    """Lab of the image as a display shows it, [b, 3, h, w]."""
    return rgb_to_lab(_shown(lab) / 255)


def _shown(lab: Tensor) -> Tensor:
    """The image as a display shows it: rgb in 0..255, whole numbers."""
    return (clip_rgb(lab_to_rgb(lab)) * 255).round()


def _display_sums(pred_lab: Tensor, truth: Truth, reference: Tensor | None) -> tuple[dict[str, Tensor], Tensor]:
    """Sums from the images as shown, and the map of CIEDE2000 [b, h, w]."""
    pred, true, n = _shown(pred_lab), truth.shown, truth.sums["n"]
    shown_lab = rgb_to_lab(pred / 255)
    de = ciede2000(shown_lab, truth.lab)
    # a perfect image would have PSNR infinity: count it as one with a single value off by one
    mse = torch.maximum(_sum((pred - true).square()), torch.ones_like(n)) / (3 * n)
    sums = {"psnr": 10 * torch.log10(255**2 / mse), "ssim": ssim(pred / 255, true / 255), "de2000": _sum(de)}
    sums["err_L"] = _sum((pred_lab[:, 0] - truth.lab[:, 0]).abs())
    sums["out_of_gamut"] = out_of_gamut_share(pred_lab).double() * n
    sums["colourfulness"] = colourfulness(pred).double()
    if reference is not None:
        sums["de_reference"] = _sum(ciede2000(shown_lab, reference))
    return sums | {"colourfulness_diff": (sums["colourfulness"] - truth.sums["colourfulness_true"]).abs()}, de


def _hue_sums(pred: Tensor, truth: Truth, distance: Tensor, chroma: Tensor, along: Tensor) -> dict[str, Tensor]:
    """For each sector of vivid true colours: hits, chroma, and what they were seen as; for each of vivid predicted
    colours: their number and how many are right."""
    hue = hue_sector(pred)
    seen = torch.where(chroma < NEUTRAL, len(SECTORS), hue)
    seen_as = [seen == k for k in range(len(SECTORS) + 1)]
    maps = [distance <= HIT, distance <= NEAR, chroma, along, *seen_as]
    sums = _sums_by(truth.sector, len(SECTORS), maps)
    columns = ["hit_{}", "near_{}", "cp_{}", "along_{}", *(f"conf_{{}}_{t}" for t in [*SECTORS, "gray"])]
    out = {c.format(s): sums[:, i, j] for i, s in enumerate(SECTORS) for j, c in enumerate(columns)}
    wrong = (truth.sector >= 0) & (seen != truth.sector) & (chroma >= NEUTRAL)
    shown = _sums_by(torch.where(chroma > VIVID, hue, -1), len(SECTORS), [torch.ones_like(chroma), distance <= HIT])
    out |= {f"{c}_{s}": shown[:, i, j] for i, s in enumerate(SECTORS) for j, c in enumerate(("as", "right"))}
    return out | {"wrong_hue": _sum(wrong)}


def _neutral_sums(shift: Tensor, de: Tensor, distance: Tensor, chroma: Tensor, truth: Truth) -> dict[str, Tensor]:
    values = {"err": distance, "de": de, "cp": chroma, "da": shift[:, 0], "db": shift[:, 1]}
    sums = _sums_by((truth.chroma >= NEUTRAL).long(), 1, list(values.values()))[:, 0]
    return {f"{name}_neutral": sums[:, j] for j, name in enumerate(values)}


def probability_sums(logits: Tensor, true_ab: Tensor, neighbours: int = 5, sigma: float = 5.0) -> dict[str, Tensor]:
    """Sums that judge predicted distributions at T = 1: logits [b, 313, h, w], true ab [b, 2, h, w]; float64 [b] each.

    nll, nll_floor, nll_excess: cross entropy against the soft-encoded truth, the truth's own entropy (the least
    possible) and the difference, in nats. energy: energy score in ab units, E|X - y| - E|X - X'| / 2, for a single
    predicted colour its ab error (Gneiting and Raftery, JASA 102, 2007). calib_n, _p, _hit_0 to _9: positions,
    probability and hits of the likeliest colour by tenths of that probability; a hit is the truth's nearest colour.
    """
    if logits.shape[1] != BINS or true_ab.shape != (len(logits), 2, *logits.shape[2:]):
        raise ValueError(f"expected [b, 313, h, w], [b, 2, h, w]; got {tuple(logits.shape)}, {tuple(true_ab.shape)}")
    index, weight = soft_encode_map(true_ab.float(), neighbours, sigma)
    log_p = torch.log_softmax(logits.float(), 1)
    nll = -(weight * log_p.gather(1, index)).sum(1)
    p, centers = log_p.exp().flatten(2), ab_gamut_centers().to(logits.device)
    a, b = (centers[:, i, None] - true_ab[:, None, i].float().flatten(2) for i in (0, 1))
    energy = p * (torch.hypot(a, b) - torch.cdist(centers, centers) @ p / 2)
    confidence, top = p.max(1)
    hit = (top == index[:, 0].flatten(1)).double()
    sums = {"n_positions": _sum(torch.ones_like(nll)), "nll": _sum(nll), "nll_floor": _sum(soft_entropy(weight))}
    sums |= {"nll_excess": sums["nll"] - sums["nll_floor"], "energy": _sum(energy)}
    sums |= {"confidence_excess": _sum(confidence - hit)}
    tenth = (confidence * TENTHS).long().clamp(max=TENTHS - 1)
    calib = _sums_by(tenth, TENTHS, [torch.ones_like(hit), confidence, hit])
    return sums | {f"calib_{c}_{k}": calib[:, k, j] for j, c in enumerate(("n", "p", "hit")) for k in range(TENTHS)}


def histogram_sums(lab: Tensor) -> Tensor:
    """Pixels nearest to each of the 313 colours: lab [b, 3, h, w] -> int64 [b, 313]."""
    bins = bin_map(lab[:, 1:].float()).flatten(1)
    numbered = bins + BINS * torch.arange(len(bins), device=bins.device)[:, None]
    return torch.bincount(numbered.flatten(), minlength=BINS * len(bins)).view(len(bins), BINS)


def histogram_distance(p: np.ndarray, q: np.ndarray) -> float:
    """Jensen-Shannon divergence in nats of two colour histograms [313] (counts or shares): 0 to log 2."""
    p, q = (np.asarray(x, dtype=float) / np.sum(x) for x in (p, q))
    return float(sum(rel_entr(x, (p + q) / 2).sum() / 2 for x in (p, q)))


@dataclass(frozen=True, eq=False)
class Answer:
    """What one system makes of a batch: Lab [b, 3, h, w], and where it read a distribution, the colours read, ab
    [b, 2, h/4, w/4]."""

    lab: Tensor
    labels: Tensor | None = None


Predictor = Callable[[Tensor], tuple[dict[str, Answer], Tensor | None]]
"""uint8 images [b, h, w, 3] -> the answer of each system, and logits [b, 313, h/4, w/4] or None."""


class Images(Protocol):
    """Images that are read slice by slice, uint8 [n, h, w, 3]: an array, or `measuring.StoredImages`."""

    def __len__(self) -> int: ...

    def __getitem__(self, part: slice, /) -> np.ndarray: ...


@dataclass(frozen=True, eq=False)
class Measured:
    """table: one row an image. hist_pred, hist_true: pixels nearest to each of the 313 colours, int64 [313]."""

    table: pd.DataFrame
    hist_pred: np.ndarray
    hist_true: np.ndarray


@torch.no_grad()
def measure(
    predict: Predictor,
    images: Images,
    prior: Tensor,
    batch: int = 50,
    neighbours: int = 5,
    sigma: float = 5.0,
    reference: str = "",
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Measured]:
    """Measure every system of a predictor on images, uint8 [n, h, w, 3], of which `batch` at a time are in memory.

    Sums are taken on the device of the prediction. Rows come in the order of the images. Where the predictor gives
    logits, the first system's rows hold `probability_sums` as well (neighbours, sigma: of the soft-encoded truth).
    reference: a system from which the others' CIEDE2000 difference is taken. progress: called with the images done, at
    first none, and their number. Raises ValueError for images of another shape or type, or none.
    """
    if len(images) == 0 or batch < 1:
        raise ValueError(f"{len(images)} images in batches of {batch}; both must be 1 or more")
    rows: dict[str, list] = {}
    seen: dict[str, Tensor] = {}
    progress = progress or (lambda done, n: None)
    progress(0, len(images))
    for start in range(0, len(images), batch):
        part = torch.as_tensor(np.ascontiguousarray(images[start : start + batch]))
        answers, logits = predict(part)
        device = next(iter(answers.values())).lab.device
        truth = Truth.of(rgb_to_lab(to_unit(part.to(device))), prior)
        other = as_shown(answers[reference].lab.float()) if reference in answers else None
        for name, answer in answers.items():
            sums = truth.sums | system_sums(answer.lab, truth, other)
            if answer.labels is not None:
                sums["label_chroma"] = _sum(_length(answer.labels))
            if logits is not None and name == next(iter(answers)):
                sums |= probability_sums(logits, subsample(truth.lab[:, 1:]), neighbours, sigma)
            rows.setdefault(name, []).append(pd.DataFrame({c: column.cpu().numpy() for c, column in sums.items()}))
            seen[name] = seen.get(name, 0) + histogram_sums(answer.lab).sum(0)
        seen[""] = seen.get("", 0) + histogram_sums(truth.lab).sum(0)
        progress(start + len(part), len(images))
    seen = {name: counts.cpu().numpy() for name, counts in seen.items()}
    return {n: Measured(pd.concat(parts, ignore_index=True), seen[n], seen[""]) for n, parts in rows.items()}


TRANSFORMS = {"": np.asarray, "area": lambda x: 1 - x / REACH, "rest": lambda x: 1 - x, "sqrt": np.sqrt}


@dataclass(frozen=True)
class Metric:
    """A metric: transform(sum of `numerator` / sum of `denominator`) over images; NaN where the denominator is 0.

    numerator, denominator: columns, or sums of columns ("hit_red+right_red").
    better: "high", "low", "one" (the closer to 1) or "none" (says what is, not what is good).
    """

    name: str
    title: str
    unit: str
    better: str
    numerator: str
    denominator: str
    transform: str
    definition: str

    def __call__(self, numerator, denominator) -> np.ndarray:
        """The value from the two sums, numbers or arrays of equal shape."""
        below = np.asarray(denominator, dtype=float)
        ratio = np.divide(numerator, below, out=np.full(below.shape, np.nan), where=below != 0)
        return TRANSFORMS[self.transform](ratio)

    @property
    def columns(self) -> set[str]:
        """The columns that it needs."""
        return {*self.numerator.split("+"), *self.denominator.split("+")}


def column(table: Mapping, name: str):
    """A column of a table, or the sum of columns whose names stand with a + between them."""
    return sum(table[part] for part in name.split("+"))


def _read_metrics() -> dict[str, Metric]:
    """All rows of metrics.toml, those with {s} and {t} once for each sector."""
    rows = tomllib.loads((resources.files(__package__) / "metrics.toml").read_text("utf-8"))
    metrics = {}
    for name, row in rows.items():
        for s in SECTORS if "{s}" in name else [""]:
            for t in [*SECTORS, "gray"] if "{t}" in name else [""]:
                words = {"s": s, "t": t, "seen": t.replace("gray", "grey")}
                filled = Metric(*(text.format(**words) for text in (name, *row)))
                metrics[filled.name] = filled
    return metrics


_ALL = _read_metrics()
METRICS = {name: m for name, m in _ALL.items() if not name.startswith("confusion_")}
"""The metrics by name. `metric` knows the many `confusion_<sector>_<sector or gray>` besides."""


def metric(name: str) -> Metric:
    """Look up a metric; `confusion_red_blue`: the share of truly red pixels seen as blue. ValueError if unknown."""
    if name not in _ALL:
        known = f"{', '.join(METRICS)} or confusion_<sector>_<sector or gray>"
        raise ValueError(f"metric {name!r} is unknown; choose one of {known}")
    return _ALL[name]


def available(table: pd.DataFrame) -> list[str]:
    """The names in `METRICS` that a table can give: without logits those of distributions are missing."""
    return [m.name for m in METRICS.values() if m.columns <= set(table.columns)]


def value(table: pd.DataFrame, name: str) -> float:
    """A metric over the images (rows) of a table. Raises ValueError if the table lacks its columns."""
    m = metric(name)
    missing = m.columns - set(table.columns)
    if missing:
        raise ValueError(f"metric {name!r} needs the column(s) {', '.join(sorted(missing))}, which this table lacks")
    return float(m(column(table, m.numerator).sum(), column(table, m.denominator).sum()))


def confusion_counts(table: pd.DataFrame) -> pd.DataFrame:
    """Where vivid true colours went: pixels of each true sector (rows) predicted as each sector or gray (columns)."""
    seen = [*SECTORS, "gray"]
    return pd.DataFrame([[table[f"conf_{s}_{t}"].sum() for t in seen] for s in SECTORS], list(SECTORS), seen)


def confusion(counts: pd.DataFrame) -> pd.DataFrame:
    """The same as shares of each true sector; NaN where there is no such pixel."""
    return counts.div(counts.sum(axis=1).replace(0, np.nan), axis=0)


def calibration_sums(table: pd.DataFrame) -> pd.DataFrame:
    """Positions, probability and hits of the likeliest colour by tenths of that probability (columns n, p, hit)."""
    columns = {c: [f"calib_{c}_{k}" for k in range(TENTHS)] for c in ("n", "p", "hit")}
    return pd.DataFrame({c: table[names].sum().to_numpy() for c, names in columns.items()})


def calibration(sums: pd.DataFrame) -> pd.DataFrame:
    """The reliability curve: positions, mean confidence and accuracy by tenths of confidence, ten rows."""
    n = sums["n"].replace(0, np.nan)
    return pd.DataFrame({"positions": sums["n"], "confidence": sums["p"] / n, "accuracy": sums["hit"] / n})
