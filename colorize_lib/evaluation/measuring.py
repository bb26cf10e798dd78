"""From a trained network to everything that is measured of it: per-image sums of each of its systems.

What a run gives is kept as a `Record`, made from the weights and the test images alone; what truth and baselines give
is another, made once for a set of test images. `results` puts them together.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from ..color import chroma, lightness, rgb_to_lab, to_unit
from ..colorizer import WEIGHTS, Colorizer, load_run, read_passport
from ..config import Config, from_identity
from ..data.files import atomic_file, short_hash, told
from ..data.prior import data_prior, load_prior
from ..data.store import Store
from ..quantize import ab_gamut_centers, rebalancing_weights
from ..readout import Readout
from ..training.batches import batch_order
from ..training.loop import RUNS, VALIDATION_PHOTOS, Run
from . import baselines, metrics
from .intervals import Estimator, Interval
from .systems import System

ASKED = tuple(
    Readout.parse(text)
    for text in ("@1", "@0.38", "@1:median", "@1:mode", "@1:sample", "@1~0.5", "@0.38~0.5", "@1~0.5:median")
)
"""Read-outs that are recorded of `ce`; only the first two of `ce_rebal`, and of runs with unusual settings."""
SWEEP = tuple(map(Readout, (0.77, 0.58, 0.29, 0.14, 0.01)))
"""The paper's other temperatures, the last standing for 0; of them only what `DIALED` needs is recorded."""
PRIOR = Path(__file__).with_name("prior.csv")
"""Of MiniPlaces' training images."""
GAINED = ("l2", "ce@1", "ce@0.38")
"""Systems that are also recorded with the truth's mean chroma."""
DIALS = {"temperature": (1.0, 0.77, 0.58, 0.38, 0.29, 0.14), "lambda_": (1.0, 0.9, 0.75, 0.5, 0.25, 0.0)}
"""Read-outs of `ce` whose mean is tried on validation images: every temperature with every tilt."""
DIALED = ("auc", "auc_balanced", "chroma_ratio", "true_hue_ratio", "colourfulness", "ciede2000", "ab_rmse")
"""What is recorded of them, and of the sweep."""
AGAINST = "against"
"""The system of the other network, where `evaluate` compares with one."""
FROM = "ciede2000_from_mean"
"""The metric that says how far each system is from the mean of its network or, there, from `AGAINST`."""
LOST_HUES = tuple(f"confusion_{true}_{seen}" for true in ("red", "yellow") for seen in ("blue", "gray"))
"""Where the student paper says that reds and yellows go; recorded besides the metrics of `METRICS`."""
RECORDED = (*metrics.METRICS, *LOST_HUES)
SUBSETS: dict[str, tuple[str, Callable]] = {
    "all": ("all images", lambda t: t.n > 0),
    "dark": ("mean L below 25", lambda t: t.mean_L < 25),
    "bright": ("more than a fifth of the pixels with L above 90", lambda t: t.share_white > 0.2),
    "muted": ("mean chroma below 6", lambda t: t.mean_chroma < 6),
    "vivid": ("mean chroma above 20", lambda t: t.mean_chroma > 20),
    "monochrome": ("spread of the true colours in the lowest tenth", lambda t: t.spread <= t.spread.quantile(0.1)),
}
"""Kinds of images, by rules on the truth."""


@dataclass(frozen=True)
class StoredImages:
    """The images `rows` of a store, uint8 [n, side, side, 3], read from its file slice by slice."""

    store: Store
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, part: slice) -> np.ndarray:
        return self.store.read(self.rows[part])


# ---------------------------------------------------------------------------------------------------- one network


def _asked(colorizer: Colorizer, readouts: Iterable[Readout]) -> dict[str, Readout | None]:
    """What a network is asked, by the names of its systems; a regression has one answer."""
    return {
        str(System(colorizer.arm, readout)): readout for readout in (readouts if colorizer.is_classifier else [None])
    }


def reduced_side(colorizer: Colorizer, side: int) -> int:
    """The side to which images of a side are reduced before a network sees them, 0 for none: they are at least twice as
    large as those that it was trained on."""
    known = colorizer.passport.get("image_side", side)
    return known if side >= 2 * known else 0


def predictor(
    colorizer: Colorizer, readouts: Iterable[Readout], gains: Mapping[str, float] | None = None
) -> metrics.Predictor:
    """All systems of a network from one pass through it: its read-outs, and with `gains` {system: factor} the same with
    the truth's mean chroma. `student_mse` is given both as predicted and with the true L.

    Of images that are reduced for it, see `reduced_side`, it gives no distributions at the positions of the labels, and
    nothing that judges them is measured."""
    asked = _asked(colorizer, readouts)

    def predict(pixels: torch.Tensor) -> tuple[dict[str, metrics.Answer], torch.Tensor | None]:
        side = reduced_side(colorizer, pixels.shape[1])
        labs, logits = colorizer.answers(pixels, list(asked.values()), side)
        answers = {}
        for (name, readout), lab in zip(asked.items(), labs, strict=True):
            sampled = readout is not None and readout.kind == "sample"
            answers[name] = metrics.Answer(lab, readout(logits, colorizer.objective.prior) if sampled else None)
        if colorizer.arm == "student_mse":
            L = lightness(to_unit(pixels.to(colorizer.device)))
            answers["student_mse+L"] = metrics.Answer(torch.cat([L, labs[0][:, 1:]], 1))
        for name, factor in (gains or {}).items():
            L, ab = answers[name].lab.split((1, 2), 1)
            answers[f"{name}+gain"] = metrics.Answer(torch.cat([L, factor * ab], 1))
        return answers, None if side else logits

    return predict


def beside(predict: metrics.Predictor, colors: Mapping[str, baselines.Colors]) -> metrics.Predictor:
    """The answers of a predictor, and of baselines {name: colors} after them."""

    def both(pixels: torch.Tensor) -> tuple[dict[str, metrics.Answer], torch.Tensor | None]:
        answers, logits = predict(pixels)
        there = pixels.to(next(iter(answers.values())).lab.device)
        return answers | {name: metrics.Answer(color(there)) for name, color in colors.items()}, logits

    return both


def gain_factors(colorizer: Colorizer, images: metrics.Images, readouts: Iterable[Readout], batch: int = 50) -> dict:
    """For each system of `GAINED` that a network has, the factor that gives it the truth's mean chroma on images."""
    predict, true, shown = predictor(colorizer, readouts), 0.0, {}
    for start in range(0, len(images), batch):
        pixels = torch.from_numpy(images[start : start + batch])
        answers, _ = predict(pixels)
        true += float(chroma(rgb_to_lab(to_unit(pixels))[:, 1:]).sum())
        for name in answers.keys() & set(GAINED):
            shown[name] = shown.get(name, 0.0) + float(chroma(answers[name].lab[:, 1:]).sum())
    return {name: true / shown[name] for name in GAINED if shown.get(name)}


def measure_systems(
    colorizer: Colorizer, images: metrics.Images, prior: torch.Tensor, readouts: Iterable[Readout],
    gains: Mapping[str, float] | None = None, progress=None, against: tuple[Colorizer, Readout | None] | None = None
) -> dict[str, metrics.Measured]:  # fmt: skip
    """Measure a network with each read-out; a regression has only one answer.

    What judges distributions uses the soft encoding (neighbours and sigma) that the network was trained with.
    progress: called with the number of images done and of all. against: another network with a read-out, measured as
    `AGAINST`, from whose images CIEDE2000 differences are taken; without it, from those of the network's own mean.
    """
    config = from_identity(colorizer.passport["config"])
    predict, reference = predictor(colorizer, readouts, gains), str(System(colorizer.arm, Readout(1.0)))
    if against:
        other, readout = against
        shown = predictor(other, [readout or other.readout])
        predict = beside(predict, {AGAINST: lambda pixels: next(iter(shown(pixels)[0].values())).lab})
        reference = AGAINST
    return metrics.measure(
        predict, images, prior, neighbours=config.neighbours, sigma=config.sigma,
        reference=reference, progress=progress,
    )  # fmt: skip


def measure_baselines(
    images: metrics.Images, prior: torch.Tensor, config: Config, donors: metrics.Images | None = None, progress=None
) -> dict[str, metrics.Measured]:
    """Measure `systems.BASELINES`; `random` only with donors, training images uint8 of the shape of images.

    progress: called with the number of images done and of all.
    """
    centers = ab_gamut_centers()
    constants = {"mean": prior, "weighted": prior * rebalancing_weights(prior, config.lambda_)}
    colors = {"grey": baselines.grey_prediction}
    colors |= {name: baselines.constant_prediction(p.float() @ centers) for name, p in constants.items()}
    if donors is not None:
        colors["random"] = baselines.borrowed_prediction(donors)
    encoding = config.neighbours, config.sigma, config.temperature
    colors["ceiling"] = lambda pixels: baselines.ceiling_prediction(pixels, *encoding)

    def predict(pixels: torch.Tensor) -> tuple[dict[str, metrics.Answer], None]:
        return {name: metrics.Answer(color(pixels)) for name, color in colors.items()}, None

    return metrics.measure(predict, images, prior, progress=progress)


def evaluate(
    colorizer: Colorizer, store: Store, split: str = "test", limit: int = 0,
    readouts: Iterable[Readout] = (), gain: float = 1.0, progress=None,
    against: tuple[Colorizer, Readout | None] | None = None,
) -> dict:  # fmt: skip
    """Every metric of one network on the images of a store, with intervals over images, as plain JSON values.

    The class-balanced AuC needs a prior. It is that of MiniPlaces' training images for every network and every store,
    so that any two files can be compared. readouts: what to ask of a classifier; by default its mean, its annealed mean
    and the read-out that it is shown with. gain: where it is not 1, every system is measured with its ab multiplied by
    it, too. progress: called with the number of images done and of all. against: another network with a read-out (None:
    its own); its system is measured as `AGAINST`, and the CIEDE2000 difference of each system from it under that name.
    """
    rows = store.rows(split, limit)
    config = from_identity(colorizer.passport["config"])
    images, prior = StoredImages(store, rows), load_prior(PRIOR).float()
    readouts = list(readouts) or [Readout(1.0), Readout(config.temperature), colorizer.readout]
    gains = dict.fromkeys(_asked(colorizer, readouts), gain) if gain != 1 else None
    measured = measure_systems(colorizer, images, prior, readouts, gains, progress, against)
    measured |= measure_baselines(images, prior, config, progress=progress)
    found = Estimator({name: {None: m.table} for name, m in measured.items()})
    systems = {name: {n: _plain(found.interval(name, n)) for n in found.available(name, RECORDED)} for name in measured}
    compared = {}
    if against:
        other, readout = against
        from_it = {n: row.pop(FROM) for n, row in systems.items() if FROM in row and n != AGAINST}
        systems[AGAINST].pop(FROM)
        (name,) = _asked(other, [readout or other.readout])
        compared = {AGAINST: {"system": name, "passport": other.passport, "ciede2000": from_it}}
    return {
        "pictures": len(rows),
        "split": split,
        "data": store.fingerprint(rows),
        "prior": "MiniPlaces",
        "passport": colorizer.passport,
        "systems": systems,
    } | compared


def _plain(interval: Interval) -> list:
    """[value, low, high], six digits each, None where there is nothing."""
    numbers = (interval.value, interval.low, interval.high)
    return [float(f"{x:.6g}") if np.isfinite(x) else None for x in numbers]


# -------------------------------------------------------------------------------------------------------- records


@dataclass(frozen=True)
class Record:
    """Per-image sums of the systems of one run, or of truth and baselines, and what is known of the whole.

    about: plain JSON values. tables: {system: one row an image}; for truth and baselines "" has what only depends on
    the truth. In a file sums are float32 of which 14 bits are kept: whole numbers up to 16,384 stay exact, others keep
    four digits, and sums over thousands of images six.
    """

    about: dict
    tables: dict[str, pd.DataFrame]

    def write(self, path: Path) -> None:
        """Write a Parquet file."""
        columns = {f"{system}|{name}": pa.array(_rounded(table[name].to_numpy()))
                   for system, table in self.tables.items() for name in table}  # fmt: skip
        table = pa.table(columns).replace_schema_metadata({"about": json.dumps(self.about)})
        with atomic_file(path) as unfinished:  # two notebooks may measure the same run at the same time
            pq.write_table(table, unfinished, compression="zstd", compression_level=19, use_dictionary=False,
                           column_encoding=dict.fromkeys(columns, "BYTE_STREAM_SPLIT"))  # fmt: skip

    @classmethod
    def read(cls, path: Path) -> Record:
        """Read a file that `write` wrote. Raises ValueError naming one that is none."""
        try:
            table = pq.read_table(path)
            about = json.loads(table.schema.metadata[b"about"])
        except FileNotFoundError:
            raise
        except (pa.ArrowException, OSError, KeyError, TypeError) as error:
            raise ValueError(f"{path} is no record of a run: {error}") from None
        parts: dict[str, dict] = {}
        for name in table.column_names:
            system, _, column = name.rpartition("|")
            parts.setdefault(system, {})[column] = table[name].to_numpy()
        return cls(about, {system: pd.DataFrame(columns) for system, columns in parts.items()})


def _rounded(values: np.ndarray) -> np.ndarray:
    mantissa, exponent = np.frexp(values)
    return np.ldexp(np.round(mantissa * 2**14) / 2**14, exponent).astype(np.float32)


_TRUE = ("images", "n", "n_unseen", "bal_w", "err_mean", "mean_L", "share_white", "mean_chroma", "spread", "n_vivid")
_NEEDED = {column for name in RECORDED for column in metrics.metric(name).columns}
_BRIEF = {column for name in DIALED for column in metrics.metric(name).columns}


def _is_true(column: str) -> bool:
    """Whether a column depends on the truth alone, so that it is kept once."""
    hues = tuple(f"{c}_{s}" for c in ("n", "ct") for s in (*metrics.SECTORS, "neutral"))
    return column in (*_TRUE, *hues) or column.endswith("_true")


def _kept(measured: dict[str, metrics.Measured]) -> dict[str, pd.DataFrame]:
    """Of each system the columns that some recorded metric needs and that the truth does not give."""
    needed = {name: _BRIEF if System.parse(name).readout in SWEEP else _NEEDED for name in measured}
    tables = {name: found.table for name, found in measured.items()}
    return {n: t[[c for c in t if c in needed[n] and not _is_true(c)]] for n, t in tables.items()}


def _facts(measured: dict[str, metrics.Measured]) -> dict:
    """What is kept of whole systems: where vivid colours went, the 313 colours' shares, calibration."""
    facts = {"confusion": {}, "histograms": {}, "calibration": {}}
    for name, m in measured.items():
        facts["confusion"][name] = metrics.confusion_counts(m.table).astype(int).to_dict("index")
        facts["histograms"][name] = m.hist_pred.tolist()
        if "nll" in m.table:
            facts["calibration"][name] = metrics.calibration_sums(m.table).round(4).to_dict("list")
    return facts


@dataclass(frozen=True)
class ImageSet:
    """Test images of a store, by which runs are compared, and the prior that balances the AuC on them: that of all
    training images of the store."""

    store: Store
    rows: np.ndarray

    @property
    def images(self) -> StoredImages:
        """The test images."""
        return StoredImages(self.store, self.rows)

    @property
    def key(self) -> str:
        """What changes where a number measured on these images would; a new metric changes no other one's."""
        trained_on = self.store.fingerprint(self.store.rows("train"))
        return short_hash(metrics.VERSION, self.store.fingerprint(self.rows), trained_on)[:12]

    def truth(self, runs: Path = RUNS, log=None) -> Record:
        """Truth and baselines, measured or read from `runs`, where an earlier call kept them.

        log: called with a line that says what is measured; then progress is shown, too.
        """
        path = Path(runs) / f"truth-{self.key}.parquet"
        if not path.exists():
            if log:
                log(f"truth and baselines: {len(self.rows)} images")
            self._measured(told() if log else None).write(path)
        return Record.read(path)

    def _measured(self, progress) -> Record:
        every, usual = self.store.rows("train"), from_identity({})
        prior = data_prior(self.store, every, usual, torch.device("cpu"))
        donors = np.resize(every[batch_order(len(every), 0, 0)], len(self.rows))
        measured = measure_baselines(self.images, prior.float(), usual, StoredImages(self.store, donors), progress)
        about = {"key": self.key, "images": len(self.rows), "test_data": self.store.fingerprint(self.rows),
                 "train_data": self.store.fingerprint(every), "train_images": len(every),
                 "prior": [float(f"{p:.9g}") for p in prior.tolist()],
                 "truth": measured["grey"].hist_true.tolist()} | _facts(measured)  # fmt: skip
        truth = measured["grey"].table
        shared = truth[[c for c in truth if _is_true(c)]]
        return Record(about, {"": shared} | _kept(measured))

    def run(self, weights: Path, truth: Record, readouts: Iterable[Readout], log=None) -> Record:
        """Measure the network of a run's folder or file; what an earlier call measured is read from the folder.

        log: see `truth`.
        """
        readouts = tuple(readouts)
        asked = short_hash(self.key, RECORDED, *map(str, readouts))[:12]
        kept = weights / f"measured-{asked}.parquet"
        if weights.is_dir() and kept.exists():
            return Record.read(kept)
        history = pd.read_csv(weights / "history.csv").to_dict("list") if weights.is_dir() else None
        colorizer = load_run(weights)
        if log:
            log(f"{colorizer.passport.get('run', weights)}: validation images, then {len(self.rows)} test images")
        record = self._measured_run(colorizer, truth, readouts, told() if log else None)
        if history is None:
            return record
        Record(record.about | {"history": history}, record.tables).write(kept)
        return Record.read(kept)

    def curve(self, folder: Path, truth: Record) -> Record:
        """How the run of a folder was trained, and nothing of its systems: for what is decided on validation images."""
        record = self._record(truth, read_passport(folder), {}, {}, {})
        return Record(record.about | {"history": pd.read_csv(folder / "history.csv").to_dict("list")}, record.tables)

    def _measured_run(self, colorizer: Colorizer, truth: Record, readouts: tuple[Readout, ...], progress) -> Record:
        prior = torch.tensor(truth.about["prior"])
        validation = StoredImages(self.store, self.store.rows("val", VALIDATION_PHOTOS))
        gains = gain_factors(colorizer, validation, readouts)
        dialed = _dials(colorizer, validation, prior, readouts, gains, progress)
        measured = measure_systems(colorizer, self.images, prior, readouts, gains, progress)
        return self._record(truth, colorizer.passport, gains, dialed, measured)

    def _record(
        self, truth: Record, passport: dict, gains: dict, validation: dict, measured: dict[str, metrics.Measured]
    ) -> Record:
        about = {"key": self.key, "test_data": truth.about["test_data"], "images": len(self.rows),
                 "passport": passport, "gains": gains, "validation": validation} | _facts(measured)  # fmt: skip
        return Record(about, _kept(measured))


def _dials(
    colorizer: Colorizer, images: metrics.Images, prior: torch.Tensor, readouts: tuple[Readout, ...], gains: dict,
    progress=None
) -> dict:  # fmt: skip
    """`DIALED` on validation images for each system, for `ce` at every setting of `DIALS`, and for plain grey: {system:
    {metric: value}}."""
    if colorizer.is_classifier and set(ASKED) <= set(readouts):
        readouts = dict.fromkeys(Readout(t, lambda_) for t in DIALS["temperature"] for lambda_ in DIALS["lambda_"])
    with_grey = beside(predictor(colorizer, readouts, gains), {"grey": baselines.grey_prediction})
    measured = metrics.measure(with_grey, images, prior, progress=progress)
    values = {name: {m: metrics.value(found.table, m) for m in DIALED} for name, found in measured.items()}
    return {name: {m: float(f"{v:.6g}") for m, v in row.items()} for name, row in values.items()}


def choose_readout(validation: dict[str, dict]) -> tuple[Readout, str]:
    """The read-out to show images with, and a line that says why.

    Of those tried on validation images ({system: {metric: value}}) that are as vivid as the truth, to a tenth in their
    chroma ratio, it is the one with the largest share of its chroma along the true hue: true-hue ratio over chroma
    ratio. Where none is as vivid, the nearest is taken.
    """
    tried = {n: row for n, row in validation.items() if System.parse(n).readout and not System.parse(n).treatment}
    off = {name: abs(row["chroma_ratio"] - 1) for name, row in tried.items()}
    vivid = [name for name in tried if off[name] <= 0.1] or [min(off, key=off.get)]
    share = {name: tried[name]["true_hue_ratio"] / tried[name]["chroma_ratio"] for name in vivid}
    best = max(share, key=share.get)
    shown = ", ".join(f"{m} {tried[best][m]:.3f}" for m in ("chroma_ratio", "true_hue_ratio", "auc", "auc_balanced"))
    chosen = System.parse(best).readout
    return chosen, (
        f"{chosen}: of {len(tried)} read-outs on validation images {len(vivid)} are as vivid as the truth to a tenth; "
        f"this one has most of its chroma along the true hue, {share[best]:.3f} ({shown})"
    )


def finished_runs(config: Config, store: Store, runs: Path = RUNS) -> dict[tuple[str, int], Path]:
    """Folders of the finished runs of a configuration, {(arm, seed): folder}."""
    found = {}
    for arm in config.arms:
        for seed in config.seeds:
            folder = Run(config, arm, seed, store, runs).folder
            if (folder / WEIGHTS).exists():
                found[arm, seed] = folder
    return found
