"""Write a signed copy of a film, and verify one: a C2PA manifest names the tool, the model origin and the pictures.

The film itself is not changed, since every signature differs. Without the extra `sign`, only the presence of a manifest
is detected: a top-level MP4 box of type "uuid" (C2PA 2.2, A.5.1).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from onestory_cli.errors import ExitCode, OnestoryError
from onestory_cli.utils.untrusted import read_limited
from onestory_cli.version import __version__

MADE_BY_A_MODEL = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
MAX_PEM_BYTES = 2**20
MADE_IN_PART_BY_A_MODEL = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
_TOOL = {"name": "onestory", "version": __version__}
_CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}


def require_signer() -> None:
    """Check, before any work, that this machine can sign.

    Raises:
        OnestoryError: M514 if the packages of the extra are missing.
    """
    try:
        import c2pa
        import cryptography  # noqa: F401

        assert c2pa
    except ImportError as fault:
        help = "pip install 'onestory[sign]'"
        raise OnestoryError("M514", f"signing needs {fault.name}", help=help, exit=ExitCode.MACHINE) from fault


def read_signer(certificate: Path, key: Path) -> Any:
    """Load a c2pa Signer from a certificate chain (PEM, leaf first) and its private key (PEM, no password).

    Raises:
        OnestoryError: M517 if they cannot be read or cannot sign.
    """
    require_signer()
    import c2pa

    try:
        chain, secret = (read_limited(file, MAX_PEM_BYTES) for file in (certificate, key))
        return c2pa.Signer.from_info(c2pa.C2paSignerInfo(_algorithm(secret), chain, secret, None))
    except (OSError, ValueError, TypeError, c2pa.C2paError) as fault:
        raise _refused(f'"{certificate}" and "{key}" cannot sign: {fault}') from fault


def sign_film(
    film: Path,
    signed: Path,
    signer: Any,
    *,
    title: str,
    pictures: Sequence[Path],
    clips: Sequence[tuple[str, Path]] = (),
) -> None:
    """Write a signed copy of a film. The manifest lists the input pictures by file name.

    `clips` are imported clips: the name of the file that each came from, and the clip in the film. They are listed as
    components, and the film is then declared as generated in part.

    Raises:
        OnestoryError: M517 if the certificate is rejected or the film cannot be written.
    """
    import c2pa

    waiting = signed.with_name(f".{signed.stem}.part{signed.suffix}")
    try:
        with c2pa.Builder(json.dumps(_manifest(title, in_part=bool(clips)))) as builder:
            for picture in pictures:
                facts = {"title": picture.name, "relationship": "inputTo"}
                with picture.open("rb") as stream:
                    builder.add_ingredient(json.dumps(facts), _type_of(picture), stream)
            for name, clip in clips:
                facts = {"title": name, "relationship": "componentOf"}
                with clip.open("rb") as stream:
                    builder.add_ingredient(json.dumps(facts), "video/mp4", stream)
            builder.sign_file(film, waiting, signer)
        waiting.replace(signed)
    except (OSError, c2pa.C2paError) as fault:
        raise _refused(f'"{signed}" cannot be signed: {fault}') from fault
    finally:
        waiting.unlink(missing_ok=True)


def _manifest(title: str, *, in_part: bool) -> dict[str, Any]:
    source = MADE_IN_PART_BY_A_MODEL if in_part else MADE_BY_A_MODEL
    created = {"action": "c2pa.created", "digitalSourceType": source, "softwareAgent": _TOOL}
    return {
        "claim_generator_info": [_TOOL],
        "title": title,
        "format": "video/mp4",
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [created]}}],
    }


def _type_of(picture: Path) -> str:
    """The media type of a picture, from its content."""
    with Image.open(picture) as opened:
        return opened.get_format_mimetype() or "application/octet-stream"


def _algorithm(secret: bytes) -> str:
    """The C2PA name of the signature algorithm of a private key."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = load_pem_private_key(secret, password=None)
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _CURVES:
        return _CURVES[key.curve.name]
    if isinstance(key, rsa.RSAPrivateKey):
        return "ps256"
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ed25519"
    raise ValueError("C2PA does not support this type of key")


def _refused(message: str) -> OnestoryError:
    help = "pass a PEM chain whose first certificate allows signing, and its PEM key without a password"
    return OnestoryError("M517", message, help=help)


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
