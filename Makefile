# make demo                        the whole way, from photographs to vector arithmetic, in minutes: on synthetic ones
# make demo PHOTOS=folder-or-zip   or on your own
#   DEMO=folder keeps what it makes elsewhere than in demo/, TRAIN="--steps 3000" adds options to its training
# make test                        lint and tests
# Both set up a virtual environment in .venv first.

PYTHON ?= python3
PHOTOS ?=
DEMO ?=
TRAIN ?=
RUN := .venv/bin/python

.PHONY: demo test clean

.venv/ready: requirements.txt requirements-test.txt
	@echo "setting up .venv: a minute or two, longer where packages must be downloaded"
	$(PYTHON) -m venv .venv
	$(RUN) -m pip install --quiet --upgrade pip
	$(RUN) -m pip install --quiet -r requirements.txt -r requirements-test.txt
	touch $@

demo: .venv/ready
	$(RUN) demo.py $(if $(PHOTOS),"$(PHOTOS)") $(if $(DEMO),--out "$(DEMO)") $(if $(TRAIN),--train="$(TRAIN)")

test: .venv/ready
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/python -m pytest -m "not slow"

clean:
	rm -rf .venv $(or $(DEMO),demo)
