"""Measures the images per second of a plain DCGAN training loop in PyTorch, over the networks of a preset.

    python benchmarks/dcgan_in_pytorch.py --preset faces32

The loop is the one that everybody writes: compiled networks, channels_last, bfloat16 autocast, Adam; it makes the same
updates as the preset does, images and latents lying on the device. --eager leaves out all tuning, as the DCGAN tutorial
does: float32, nothing compiled. Prints one line; writes nothing.

Needs PyTorch.
"""

import math
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from facegan.common import cli
from facegan.training import presets

WARM_UP = 10
IMAGES = 2_000
# What this loop's generators do not have; whoever compares with them trains without it.
LEFT_OUT = {"modulation": 0, "blur": False}


def main():
    parser = cli.parser(__doc__)
    parser.add_argument("--preset", default="faces32", choices=presets.PRESETS, help="default %(default)s")
    parser.add_argument("--batch-size", type=cli.integer(2), help="default the preset's")
    parser.add_argument("--steps", type=cli.integer(1), default=200, help="to measure; default %(default)s")
    parser.add_argument("--eager", action="store_true", help="as the tutorial does, without any tuning")
    options = parser.parse_args()
    preset = presets.PRESETS[options.preset]
    speed = rate(preset, options.batch_size or preset.batch_size, options.steps, 1, not options.eager)
    print(f"{options.preset}: {speed:.1f} images/s")


def rate(preset, batch_size, steps, rounds, tuned=True):
    """Images per second, batch size x steps / seconds: the best of some rounds."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    step = training_step(preset, batch_size, device, tuned)
    best = math.inf
    for steps_of_round in [WARM_UP] + [steps] * rounds:
        begun = time.perf_counter()
        for _ in range(steps_of_round):
            loss = step()
        loss.item()  # waits until the device is done
        best = min(best, (time.perf_counter() - begun) / steps_of_round)
    return batch_size / best


def training_step(preset, batch_size, device, tuned):
    """A function that makes one step of training and returns G's loss; untuned it is eager, in float32."""
    import torch
    from torch.nn import functional

    torch.backends.cudnn.benchmark = True
    layout = torch.channels_last if tuned else torch.contiguous_format
    nets = [net.to(device, memory_format=layout) for net in (generator(preset), discriminator(preset))]
    rates = preset.learning_rate, preset.learning_rate * preset.d_rate
    g_optimizer, d_optimizer = (
        torch.optim.Adam(net.parameters(), rate, betas=(preset.beta_1, 0.999))
        for net, rate in zip(nets, rates, strict=True)
    )
    g, d = (torch.compile(net, dynamic=False) if tuned else net for net in nets)
    height, width, channels = preset.image_shape
    pixels = torch.randint(0, 256, (IMAGES, channels, height, width), dtype=torch.uint8, device=device)
    pixels = pixels.contiguous(memory_format=layout)
    real_count = batch_size if preset.update == "summed" else batch_size // 2

    def draw(count):
        return g(torch.randn(count, preset.latent_dim, device=device))

    def loss_of(logits, real):
        return functional.binary_cross_entropy_with_logits(logits.float(), torch.full_like(logits.float(), real))

    def move_discriminator(*losses):
        d_optimizer.zero_grad(set_to_none=True)
        sum(losses).backward()
        d_optimizer.step()

    def step():
        with torch.autocast(device, torch.bfloat16, enabled=tuned):
            real_images = pixels[torch.randint(0, IMAGES, (real_count,), device=device)].float() / 127.5 - 1
            drawn = draw(batch_size) if preset.shared_latents else None
            with torch.no_grad():
                images = drawn[:real_count] if preset.shared_latents else draw(real_count)
            if preset.update == "alternating":
                move_discriminator(loss_of(d(real_images), 1.0))
                move_discriminator(loss_of(d(images), 0.0))
            elif preset.update == "concatenated":
                logits = d(torch.cat([real_images, images]))
                move_discriminator((loss_of(logits[:real_count], 1.0) + loss_of(logits[real_count:], 0.0)) / 2)
            else:
                move_discriminator(loss_of(d(real_images), 1.0), loss_of(d(images), 0.0))
            # D's weights need no gradients here, as in ours.
            nets[1].requires_grad_(False)
            loss = loss_of(d(draw(batch_size) if drawn is None else drawn), 1.0)
            nets[1].requires_grad_(True)
        g_optimizer.zero_grad(set_to_none=True)
        loss.backward()
        g_optimizer.step()
        return loss.detach()

    return step


def generator(preset):
    """The preset's generator without `LEFT_OUT`: latents (n, latent_dim) to images (n, channels, height, width)."""
    from torch import nn

    height, width, channels = preset.image_shape
    count = len(preset.upsampling_blocks) + preset.head_upsamples
    smallest = preset.stem, height >> count, width >> count
    parts = [nn.Linear(preset.latent_dim, math.prod(smallest), bias=preset.bias), nn.Unflatten(1, smallest)]
    parts += tail(preset, preset.stem, preset.batch_norm, preset.activation, preset.dropout)
    before = preset.stem
    stems = [(layer, 1) for layer in preset.stem_layers]
    for (filters, kernel), stride in stems + [(layer, 2) for layer in preset.upsampling_blocks]:
        parts.append(transposed(before, filters, kernel, stride, preset.bias))
        parts += tail(preset, filters, preset.batch_norm, preset.activation, preset.dropout)
        before = filters
    if preset.head_upsamples:
        parts.append(transposed(before, channels, preset.head, 2, preset.bias))
    else:
        parts.append(nn.Conv2d(before, channels, preset.head, padding=preset.head // 2, bias=preset.bias))
    return nn.Sequential(*parts, nn.Tanh() if preset.output == "tanh" else nn.Sigmoid())


def discriminator(preset):
    """The preset's discriminator: images (n, channels, height, width) to logits (n, 1)."""
    from torch import nn

    height, width, before = preset.image_shape
    layers = ([(preset.d_stem, 1)] if preset.d_stem else []) + [(layer, 2) for layer in preset.downsampling_blocks]
    parts = []
    for number, ((filters, kernel), stride) in enumerate(layers):
        parts.append(nn.Conv2d(before, filters, kernel, stride, (kernel - 1) // 2, bias=preset.bias))
        parts += tail(
            preset, filters, preset.d_batch_norm and number > 0, "leaky_relu", preset.d_dropout_each * preset.d_dropout
        )
        before = filters
        height, width = -(-height // stride), -(-width // stride)
    parts.append(nn.Flatten())
    if preset.d_dropout and not preset.d_dropout_each:
        parts.append(nn.Dropout(preset.d_dropout))
    inputs = height * width * before
    if preset.d_hidden:
        parts += [nn.Linear(inputs, preset.d_hidden, bias=preset.bias), nn.LeakyReLU(preset.slope)]
    return nn.Sequential(*parts, nn.Linear(preset.d_hidden or inputs, 1, bias=preset.bias))


def tail(preset, filters, batch_norm, activation, dropout):
    """What follows a layer: batch norm, activation, dropout."""
    from torch import nn

    parts = [nn.BatchNorm2d(filters)] if batch_norm else []
    parts.append(nn.ReLU() if activation == "relu" else nn.LeakyReLU(preset.slope))
    return parts + ([nn.Dropout(dropout)] if dropout else [])


def transposed(before, filters, kernel, stride, bias):
    """A transposed convolution whose output is `stride` times as large as its input."""
    from torch import nn

    padding = (kernel - 1) // 2
    beyond = stride + 2 * padding - kernel
    return nn.ConvTranspose2d(before, filters, kernel, stride, padding, beyond, bias=bias)


if __name__ == "__main__":
    cli.run(main)
