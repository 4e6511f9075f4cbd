"""`python -m onestory_cli` on processors that count as one accelerator: diffusers 0.42 divides by their number."""

import torch

from onestory_cli.cli import main

torch.accelerator.device_count = lambda: 1
main()
