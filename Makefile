# make demo: train, export and load back one module; make test: the test suite; make lint: ruff.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --constraint tests/constraints.txt --editable
MODULE := tiny_unet/dagm_synthetic/class_1_small
DEMO := demo
RUN := $(DEMO)/runs/$(MODULE)/default_seed0

.PHONY: demo test lint clean

$(VENV)/installed: setup.cfg pyproject.toml tests/constraints.txt
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "Python 3.11 or newer is needed"'
	$(PYTHON) -m venv $(VENV)
	$(PIP_INSTALL) .
	touch $@

$(VENV)/installed_test: $(VENV)/installed
	$(PIP_INSTALL) '.[test,demo,export,lite,notebook]'
	touch $@

demo: $(VENV)/installed
	$(BIN)/python -m zoo train --module=$(MODULE) --runs_dir=$(DEMO)/runs --data_dir=$(DEMO)/data --resume
	$(BIN)/python -m export convert --run=$(RUN) --modules_dir=$(DEMO)/modules
	$(BIN)/python -m zoo evaluate --source=$(DEMO)/modules/$(MODULE)/1 --data_dir=$(DEMO)/data
	@echo "report   $(RUN)/report.html"

# Sorted by their number of tests, as is the default, files of few long ones would come last.
test: $(VENV)/installed_test
	$(BIN)/python -m pytest --numprocesses=2 --dist=loadfile --no-loadscope-reorder

lint: $(VENV)/installed_test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

clean:
	rm -rf $(VENV) $(DEMO)
