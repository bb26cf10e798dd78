"""Colorizing photographs with one network and four objectives: the library behind the book.

Importing the package is cheap; the modules bring in what they need. Start with `colorize_lib.config` (what an
experiment is), `colorize_lib.losses` (how the four arms differ) and `colorize_lib.train` (how one is run).
"""

__version__ = "0.1.0"
