"""Colorizing photographs with one network and several objectives: the library behind the book.

The names below are the public ones; each is imported when it is first used, so that importing the package is cheap.
Start with `Config` (what an experiment is), `train_run` (how one is run) and `load_colorizer` (what comes of it).
"""

from importlib import import_module

__version__ = "0.1.0"
_WHERE = {
    "Config": "config",
    "load_config": "config",
    "open_data": "data.prepare",
    "read_image": "data.images",
    "train_run": "training.loop",
    "Colorizer": "colorizer",
    "Readout": "readout",
    "load_colorizer": "colorizer",
    "load_run": "colorizer",
}
__all__ = list(_WHERE)


def __getattr__(name: str):
    """Import a public name when it is asked for (PEP 562)."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_WHERE[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
