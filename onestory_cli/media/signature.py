"""Read and verify the C2PA manifest of a film. Without the extra `sign`, only its presence is detected.

The manifest is a top-level MP4 box of type "uuid" (C2PA 2.2, A.5.1).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from onestory_cli.media.sign import MADE_BY_A_MODEL, MADE_IN_PART_BY_A_MODEL

_MANIFEST = b"uuid" + bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
_UNKNOWN_SIGNER = "signingCredential.untrusted"


@dataclass(frozen=True, kw_only=True)
class Signature:
    """The signature of a film. Texts are untrusted: they come from the manifest.

    trusted: valid, and the signer's certificate authority is trusted here. valid: matches the film. invalid: see
    `problems`. unchecked: the extra `sign` is not installed, no other field is set. `pictures` are the input pictures.
    """

    state: Literal["trusted", "valid", "invalid", "unchecked"]
    signer: str = ""
    organisation: str = ""
    made_by_a_model: bool = False
    pictures: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def read_signature(film: Path) -> Signature | None:
    """Verify the signature of a film against its content; None for an unsigned film."""
    if not any(head.startswith(_MANIFEST) for head in _boxes(film)):
        return None
    try:
        import c2pa
    except ImportError:
        return Signature(state="unchecked")
    try:
        with c2pa.Reader(str(film)) as reader:
            state, manifest, results = (
                reader.get_validation_state(),
                reader.get_active_manifest() or {},
                reader.get_validation_results() or {},
            )
    except c2pa.C2paError as fault:
        return Signature(state="invalid", problems=(str(fault),))
    codes = [str(item["code"]) for item in results.get("activeManifest", {}).get("failure", ())]
    signer = manifest.get("signature_info") or {}
    return Signature(
        state={"Trusted": "trusted", "Valid": "valid"}.get(str(state), "invalid"),  # type: ignore[arg-type]
        signer=str(signer.get("common_name") or ""),
        organisation=str(signer.get("issuer") or ""),
        made_by_a_model=any(
            action.get("digitalSourceType") in (MADE_BY_A_MODEL, MADE_IN_PART_BY_A_MODEL)
            for action in _actions(manifest)
        ),
        pictures=tuple(str(item.get("title", "")) for item in manifest.get("ingredients", ())),
        problems=tuple(code for code in codes if code != _UNKNOWN_SIGNER),
    )


def _actions(manifest: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for assertion in manifest.get("assertions", ()):
        if str(assertion.get("label", "")).startswith("c2pa.actions"):
            yield from assertion["data"].get("actions", ())


def _boxes(film: Path) -> Iterator[bytes]:
    """The type of each top-level box plus the first 16 bytes of its content."""
    place, end = 0, film.stat().st_size
    with film.open("rb") as file:
        while place < end:
            file.seek(place)
            size, kind = int.from_bytes(file.read(4)), file.read(4)
            if size == 1:  # the size follows in 64 bits
                size = int.from_bytes(file.read(8))
            yield kind + file.read(16)
            if size < 8:  # 0 means until the end of the file; others are invalid
                return
            place += size
