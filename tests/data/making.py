"""Files and stores made of the scenes."""

import io

import pandas as pd
from PIL import Image

from colorize_lib.data import prepare


def encode(pixels, form="PNG", **options) -> bytes:
    Image.fromarray(pixels).save(file := io.BytesIO(), form, **options)
    return file.getvalue()


def write_parquet(path, pixels, split="train", **columns):
    names = [f"{split}/{i}.png" for i in range(len(pixels))]
    table = {"image": [encode(p) for p in pixels], "label": "a", "source": names, "split": split}
    pd.DataFrame(table | columns).to_parquet(path)
    return str(path)


def write_folder(folder, pixels, names=None):
    for i, image in enumerate(pixels):
        path = folder / (names[i] if names else f"{i:03}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(image))
    return str(folder)


def make_store(source, out, side=32, **options):
    return prepare.prepare(source, out, side, progress=False, workers=1, **options)
