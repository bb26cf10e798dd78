"""`python -m colorize_lib` is the command `colorize`, in the form that torchrun starts."""

import sys

from .cli import main

sys.exit(main())
