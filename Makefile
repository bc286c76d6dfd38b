# make demo PHOTOS=folder-or-zip   the whole way, from photographs to vector arithmetic, in minutes
#   TRAIN="--batch-size 16 --augment" adds options to its training, these for a few dozen photographs
# make test                        lint and tests
# Both set up a virtual environment in .venv first.

PYTHON ?= python3
PHOTOS ?=
DEMO ?= demo
TRAIN ?=
RUN := .venv/bin/python

.PHONY: demo test clean

.venv/ready: requirements.txt requirements-test.txt
	$(PYTHON) -m venv .venv
	$(RUN) -m pip install --quiet --upgrade pip
	$(RUN) -m pip install --quiet -r requirements.txt -r requirements-test.txt
	touch $@

demo:
	@test -n "$(PHOTOS)" || { echo "make demo: name your photographs, a folder or a .zip: make demo PHOTOS=my_photos" >&2; exit 2; }
	@$(MAKE) --no-print-directory .venv/ready
	$(RUN) prepare_faces.py "$(PHOTOS)" --out $(DEMO)/faces32.npz --size 32 --limit 5000 --overwrite
	$(RUN) train_gan.py $(DEMO)/faces32.npz --preset faces32 --out $(DEMO)/run --steps 1000 $(TRAIN)
	$(RUN) generate.py $(DEMO)/run --faces 1-25 --out $(DEMO)/faces.png
	$(RUN) interpolate.py $(DEMO)/run --faces 3,17 --method both --out $(DEMO)/path.png
	$(RUN) vector_arithmetic.py $(DEMO)/run --plus 1,2,3 --minus 4,5,6 --plus 7,8,9 --out $(DEMO)/arithmetic.png
	@echo "Look at $(DEMO)/faces.png, $(DEMO)/path.png and $(DEMO)/arithmetic.png"

test: .venv/ready
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/python -m pytest -m "not slow"

clean:
	rm -rf .venv $(DEMO)
