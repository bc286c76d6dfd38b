# make demo                        from photographs to vector arithmetic, in minutes: on synthetic photographs
# make demo PHOTOS=folder-or-zip   on your own photographs
#   DEMO=folder puts the results there instead of demo/, TRAIN="--steps 3000" adds options to its training
# make test                        lint and tests
# Both set up a virtual environment in .venv first.

PYTHON ?= python3
PHOTOS ?=
DEMO ?=
TRAIN ?=
RUN := .venv/bin/python

.PHONY: demo test clean

.venv/ready: requirements.txt
	@echo "setting up .venv: a minute or two, longer where packages must be downloaded"
	$(PYTHON) -m venv .venv
	$(RUN) -m pip install --quiet --upgrade pip
	$(RUN) -m pip install --quiet -r requirements.txt
	touch $@

.venv/test-ready: .venv/ready requirements-test.txt
	$(RUN) -m pip install --quiet -r requirements.txt -r requirements-test.txt
	touch $@

demo: .venv/ready
	$(RUN) demo.py $(if $(PHOTOS),"$(PHOTOS)") $(if $(DEMO),--out "$(DEMO)") $(if $(TRAIN),--train="$(TRAIN)")

test: .venv/test-ready
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m pytest -m "not slow" --numprocesses 2 --dist loadfile

clean:
	rm -rf .venv build facegan.egg-info $(or $(DEMO),demo)
