# Everything is installed into .venv of this folder, from the package index, as uv.lock says.

PYTHON ?= python3
BIN := .venv/bin
# A container may see the processors of a host that it does not have. A test of the book often waits
# for a kernel or a page.
PROCESSORS = $(shell $(PYTHON) -c 'import os; print(min(8, max(2, os.cpu_count() or 2)))')
WORKERS = $(shell expr $(PROCESSORS) + 1)


.DEFAULT_GOAL := help
.PHONY: help book pages pdf test lint notebooks student slides results lab wheelhouse bench bench-peers bench-gpu clean

help:  ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

book: .venv/.installed  ## build the book and say where to open it
	$(BIN)/python book/build.py

pages: .venv/.installed  ## build the book from the committed outputs, in a minute
	$(BIN)/python book/build.py --as-committed

pdf: .venv/.installed .venv/.browser  ## print the whole book, from the committed outputs, as build/earlyglow.pdf
	$(BIN)/python book/build.py --as-committed
	$(BIN)/python -m tools.print_book build/source build/earlyglow.pdf

# The library is tested alone: a copy of its folder, beside a book that cannot be imported.
test: .venv/.installed .venv/.browser workflow/.venv/.installed lint  ## run every check and test
	rm -rf build/library && mkdir -p build/library && cp -r src/earlyglow build/library
	echo 'raise ImportError("the library is tested alone")' > build/library/earlyglow_book.py
	! PYTHONPATH=build/library $(BIN)/python -c 'import earlyglow_book' 2>/dev/null
	PYTHONPATH=build/library OMP_NUM_THREADS=1 $(BIN)/pytest -n $(PROCESSORS) \
	    --doctest-modules build/library/earlyglow tests/library
	OMP_NUM_THREADS=1 $(BIN)/pytest -n $(WORKERS) --dist loadgroup tests --ignore tests/library
	OMP_NUM_THREADS=1 EARLYGLOW_PROGRESS=0 EARLYGLOW_PUBLISHED=1 $(BIN)/python -m pytest -n $(WORKERS) \
	    --dist loadfile -p tests.nbval_kernels --nbval --nbval-sanitize-with tests/nbval-sanitize.cfg notebooks

lint: .venv/.installed  ## check style and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

notebooks: .venv/.installed  ## execute the committed notebooks and draw the figures again
	$(BIN)/python book/refresh_notebooks.py

student: .venv/.installed  ## write the class's notebooks, for students and solved, into build/class
	$(BIN)/earlyglow student build/class

slides: .venv/.installed  ## write a deck of slides for each lesson, one HTML file each, into build/slides
	$(BIN)/python -m tools.slides build/slides

results: .venv/.installed  ## compute the published results that are missing (hours; goes on where it stopped)
	EARLYGLOW_RESULTS=results $(BIN)/earlyglow sweep

lab: .venv/.installed  ## install JupyterLab too, and open the notebooks
	UV_PROJECT_ENVIRONMENT=.venv $(BIN)/uv sync --quiet --frozen --all-extras --inexact
	$(BIN)/jupyter lab notebooks

# TORCH_INDEX names an index of CPU builds of torch, which are a tenth of the size.
wheelhouse: .venv/.installed  ## fill build/wheelhouse, from which laptops install without a network (3 to 5 GB)
	$(BIN)/python tools/wheelhouse.py build/wheelhouse $(if $(TORCH_INDEX),--torch-index $(TORCH_INDEX))

bench: .venv/.installed  ## measure norms and training steps on this machine (twenty minutes)
	EARLYGLOW_RESULTS=results $(BIN)/python benchmarks/measure.py
	EARLYGLOW_RESULTS=results $(BIN)/python benchmarks/growth.py

# The other packages take other versions of the same packages, and get an environment of their own.
bench-peers: .venv/.installed  ## measure Opacus and BackPACK beside ours (two minutes, after a download)
	EARLYGLOW_RESULTS=results $(BIN)/uv run --no-sync --with opacus --with backpack-for-pytorch \
	    python benchmarks/peers.py

bench-gpu: .venv/.installed  ## measure them on this machine's GPU (three minutes)
	EARLYGLOW_RESULTS=results $(BIN)/python benchmarks/gpu.py

clean:  ## remove what was built, but neither the environment nor the cache
	rm -rf build runs .pytest_cache .ruff_cache .mypy_cache .hypothesis

.venv/.installed: pyproject.toml uv.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "earlyglow needs Python 3.11 or newer, but $(PYTHON) is " + sys.version.split()[0] + "; run make PYTHON=python3.12, say")'
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.5,<1'
	UV_PROJECT_ENVIRONMENT=.venv $(BIN)/uv sync --frozen --all-extras --no-extra lab --inexact --compile-bytecode
	touch $@

# Snakemake takes other versions of the same packages.
workflow/.venv/.installed: .venv/.installed workflow/uv.lock
	cd workflow && ../$(BIN)/python -m uv sync --quiet --frozen
	touch $@

# The tests open the book's pages in a browser.
.venv/.browser: .venv/.installed tools/install_browser.sh
	if sh tools/install_browser.sh .venv/browser; then touch $@; \
	else echo "no browser could be had: the tests that open pages will fail, the others run"; fi
