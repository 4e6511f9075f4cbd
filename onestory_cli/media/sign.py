"""Write a signed copy of a film: a C2PA manifest names the tool, the model origin and the input pictures.

The film itself is not changed, since every signature differs. Needs the extra `sign`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

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
