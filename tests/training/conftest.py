"""What the tests of training share."""

import pytest
import tiny
from trainings import TINY

from colorize_lib.config import ARMS
from colorize_lib.data.store import Store
from colorize_lib.training.loop import train_run


@pytest.fixture(scope="session")
def store(tmp_path_factory) -> Store:
    """26 training and 6 validation scenes of 24 px: room for a crop of 16."""
    return tiny.store_with_room_to_crop(tmp_path_factory.mktemp("scenes"))


@pytest.fixture(scope="session")
def finished(store, tmp_path_factory):
    """The folder of one finished run of each arm."""
    runs = tmp_path_factory.mktemp("finished")
    return {arm: train_run(TINY, arm, 0, store, runs, log=None) for arm in ARMS}
