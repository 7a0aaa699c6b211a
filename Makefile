# `make run` and `make test` set everything up by themselves (tools/setup.sh):
# a virtual environment in .venv and, on Debian and Ubuntu, the system packages.
#
#   PYTHON=python3.12    the interpreter; by default the first 3.11 or newer
#   TORCH_INDEX=URL      where PyTorch's CPU build comes from; where it can't be
#                        reached, or is empty, pip's ordinary index is used, which
#                        on Linux brings the CUDA build, several GB

PYTHON ?=
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
DEMO ?= infill bwv:180.7 --rewrite alto,tenor --seed 1 --out numpy_chorales/first --force
export PYTHON TORCH_INDEX

python := .venv/bin/python
setup := @bash tools/setup.sh

.PHONY: help setup run test lab lint clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-6s %s\n", $$1, $$2 }' Makefile

setup:  ## set up only; also asks apt again for what it couldn't bring
	$(setup) --retry

run:  ## rewrite the alto and tenor of a chorale that the model has never seen
	$(setup)
	@$(python) -m coconet $(DEMO)

test:  ## the tests
	$(setup)
	@$(python) -m pytest -n logical --maxprocesses 8 --dist loadfile --no-loadscope-reorder

lab:  ## the notebooks in JupyterLab
	$(setup)
	@$(python) -m jupyterlab notebooks

lint:  ## style of the code
	$(setup)
	$(python) -m ruff check .
	$(python) -m ruff format --check .

clean:  ## remove .venv and caches; your own work stays
	rm -rf .venv *.egg-info build dist .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
