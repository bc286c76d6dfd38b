# What `make gpu` sets up, in a container.
#   docker build --tag facegan .
#   docker run --rm --gpus all facegan train_gan.py --check-device --device gpu
#   docker run --rm --gpus all --volume "$PWD:/work" --workdir /work facegan /facegan/train_gan.py faces.npz ...
FROM python:3.11-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends make libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /facegan
COPY . .
RUN make gpu
ENV KERAS_BACKEND=jax
ENTRYPOINT ["/facegan/.venv/bin/python"]
