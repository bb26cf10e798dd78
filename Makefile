# Two commands: `make book` and `make test`. Each makes the environment first, where it is missing or out of date.
#   make book PROFILE=evening DATA=<store, Parquet files or folder>    trains what is missing, then builds the book
#                            SEEDS=0,1,2                              one network an arm for each seed (default: 0)
#   make book PROFILE=smoke                                           everything at toy size, with a banner saying so

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
REFERENCE := tests/reference/notebooks
EXPERIMENT := $(if $(PROFILE),--profile "$(PROFILE)") $(if $(DATA),--data "$(DATA)") $(if $(SEEDS),--seeds "$(SEEDS)")

export SITE_URL
.PHONY: help book pdf test test-book lint format env bench references wheels browser clean
help:
	@sed -n 's/^#   \?//p' Makefile | head -4; echo "targets: book pdf test test-book lint format env bench references wheels browser clean"

book: $(READY)
	$(BIN)/colorize book $(EXPERIMENT)

# The built book on paper: _build/book.pdf, printed by Chromium.
pdf: $(READY)
	PYTHONPATH=tests $(BIN)/python tools/pdf.py

# Unit tests and nbval side by side: the stored notebooks run again, in a folder without finished runs, and must give
# the outputs they hold. What belongs together stays in one process (tests/conftest.py).
test: $(READY)
	rm -rf _build/nbval && mkdir -p _build/nbval
	cp $(REFERENCE)/*.ipynb _build/nbval
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --no-loadscope-reorder --durations 10 \
	  --nbval --nbval-current-env --nbval-sanitize-with tests/reference/sanitize.cfg \
	  --ignore tests/reference --ignore tests/pages _build/nbval tests

# What only a built book can show: every page in headless Chromium. The first time npm fetches axe-core (tests/axe.py).
test-book: $(READY)
	$(BIN)/python -m pytest tests/pages

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

env: $(READY)

# uv installs in seconds what takes pip minutes; it does not read pip's settings, so it is told of pip's extra wheels.
$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	$(BIN)/pip install --quiet -c constraints.txt uv \
	  && UV_FIND_LINKS="$${PIP_FIND_LINKS:-$$($(BIN)/pip config get global.find-links 2>/dev/null)}" \
	     $(BIN)/uv pip install --python $(BIN)/python -e '.[book,test]' -c constraints.txt \
	  || $(BIN)/pip install -e '.[book,test]' -c constraints.txt
	touch $@

bench: $(READY)
	$(BIN)/colorize bench $(EXPERIMENT)

# After a change that is meant to change results: execute the notebooks at toy size and keep their outputs.
references: $(READY)
	$(BIN)/python tests/references.py

# For a machine with PyTorch and without internet: HAVE is what `pip list --format=freeze` prints there.
wheels: $(READY)
	$(BIN)/python tools/wheels.py "$(HAVE)" "$(OUT)" $(if $(PYTHON_VERSION),--python-version $(PYTHON_VERSION)) $(if $(PLATFORM),--platform $(PLATFORM))

# For tests/pages, on Debian and Ubuntu.
browser:
	apt-get install -y --no-install-recommends chromium || sudo apt-get install -y --no-install-recommends chromium

clean:
	rm -rf _build .pytest_cache .ruff_cache .hypothesis
