"""Clean captions as the Wan team does before its text encoder, so that the encoder sees what it was trained with."""

from __future__ import annotations

import html


def clean_prompt(text: str) -> str:
    """Repair broken encodings, make quotes straight, resolve HTML entities and fold white space.

    As in Wan2.1 and Wan2.2 wan/modules/tokenizers.py, `basic_clean` and `whitespace_clean`.
    """
    if not text.isascii():
        from ftfy import fix_text  # slow to import, and most captions are ASCII

        text = fix_text(text)
    return " ".join(html.unescape(html.unescape(text)).split())
