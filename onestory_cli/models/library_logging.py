"""What diffusers and transformers print."""

from __future__ import annotations

import diffusers
import transformers


def silence_library_logging() -> None:
    """Turn off the progress bars and notices of diffusers and transformers, which would break the console's own."""
    diffusers.utils.logging.disable_progress_bar()
    diffusers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
