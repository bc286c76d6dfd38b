# make demo                        from photographs to vector arithmetic, in minutes: on synthetic photographs
# make demo PHOTOS=folder-or-zip   on your own photographs
#   DEMO=folder puts the results there instead of demo/, TRAIN="--steps 8000" adds options to its training
# make gpu                         set up JAX and TensorFlow for NVIDIA cards, and print whether they use one
# make test                        lint and tests
# All set up a virtual environment in .venv first.

PYTHON ?= python3
PHOTOS ?=
DEMO ?=
TRAIN ?=
RUN := .venv/bin/python

.PHONY: demo gpu test clean

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

.venv/gpu-ready: requirements-gpu.txt
	@echo "setting up .venv with CUDA's libraries: several minutes and 8 GB of disk"
	$(PYTHON) -m venv .venv
	$(RUN) -m pip install --quiet --upgrade pip
	$(RUN) -m pip install --quiet -r requirements-gpu.txt
	touch .venv/ready $@

gpu: .venv/gpu-ready
	KERAS_BACKEND=jax $(RUN) train_gan.py --check-device
	KERAS_BACKEND=tensorflow $(RUN) train_gan.py --check-device

test: .venv/test-ready
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m pytest -m "not slow" --numprocesses 2 --dist loadfile

clean:
	rm -rf .venv build facegan.egg-info $(or $(DEMO),demo)
