"""Signed films are read back by the C2PA library; certificates are created here."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from onestory_cli.errors import OnestoryError
from onestory_cli.media.mux import ClipPart, mux_film, read_metadata
from onestory_cli.media.sign import MADE_BY_A_MODEL, MADE_IN_PART_BY_A_MODEL, read_signature, read_signer, sign_film
from onestory_cli.media.video import read_clip, write_clip

c2pa = pytest.importorskip("c2pa")
x509 = pytest.importorskip("cryptography.x509")


def write_chain(folder: Path) -> tuple[Path, Path]:
    """A signer's certificate with its root, and the signer's key."""
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    def name(words: str) -> x509.Name:
        return x509.Name(
            [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Tests"), x509.NameAttribute(NameOID.COMMON_NAME, words)]
        )

    def usage(**wanted: bool) -> x509.KeyUsage:
        kinds = "digital_signature content_commitment key_encipherment data_encipherment key_agreement"
        kinds += " key_cert_sign crl_sign encipher_only decipher_only"
        return x509.KeyUsage(**{kind: wanted.get(kind, False) for kind in kinds.split()})

    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    now = datetime.datetime.now(datetime.UTC)

    def begin(words: str, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        builder = x509.CertificateBuilder().subject_name(name(words)).issuer_name(name("Root"))
        builder = builder.public_key(public).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - datetime.timedelta(days=1))
        builder = builder.not_valid_after(now + datetime.timedelta(days=30))
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key())
        own = x509.SubjectKeyIdentifier.from_public_key(public)
        return builder.add_extension(issuer, critical=False).add_extension(own, critical=False)

    root = begin("Root", root_key.public_key())
    root = root.add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
    root = root.add_extension(usage(key_cert_sign=True, crl_sign=True), critical=True)
    leaf = begin("Signer", key.public_key())
    leaf = leaf.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    leaf = leaf.add_extension(usage(digital_signature=True), critical=True)
    leaf = leaf.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
    pem = serialization.Encoding.PEM
    chain = b"".join(item.sign(root_key, hashes.SHA256()).public_bytes(pem) for item in (leaf, root))
    (folder / "chain.pem").write_bytes(chain)
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(secret)
    return folder / "chain.pem", folder / "key.pem"


@pytest.fixture
def film(tmp_path: Path, make_pixels) -> Path:
    write_clip(tmp_path / "clip.mp4", make_pixels(), fps=8)
    mux_film(tmp_path / "film.mp4", [ClipPart(path=tmp_path / "clip.mp4", title="a")], metadata={"onestory": "{}"})
    return tmp_path / "film.mp4"


def test_a_signed_film_names_the_model_and_its_pictures(tmp_path: Path, film: Path) -> None:
    Image.new("RGB", (16, 16), "red").save(tmp_path / "fox", format="PNG")  # a file name without suffix
    before = film.read_bytes()
    signed = tmp_path / "signed.mp4"
    sign_film(film, signed, read_signer(*write_chain(tmp_path)), title="The Kite", pictures=[tmp_path / "fox"])
    assert film.read_bytes() == before
    with c2pa.Reader(str(signed)) as reader:
        manifest, results = reader.get_active_manifest(), reader.get_validation_results()
    failures = {item["code"] for item in results["activeManifest"]["failure"]}
    assert failures <= {"signingCredential.untrusted"}  # a test root is not trusted
    (actions,) = [item for item in manifest["assertions"] if item["label"].startswith("c2pa.actions")]
    (created,) = [item for item in actions["data"]["actions"] if item["action"] == "c2pa.created"]
    assert created["digitalSourceType"] == MADE_BY_A_MODEL
    assert manifest["title"] == "The Kite"
    assert [(item["title"], item["relationship"]) for item in manifest["ingredients"]] == [("fox", "inputTo")]
    assert read_metadata(signed)["onestory"] == "{}"
    assert np.array_equal(read_clip(signed), read_clip(film))


def test_imported_clips_are_components_of_a_signed_film(tmp_path: Path, film: Path) -> None:
    signed, clips = tmp_path / "signed.mp4", [("camera.mov", tmp_path / "clip.mp4")]
    sign_film(film, signed, read_signer(*write_chain(tmp_path)), title="The Kite", pictures=[], clips=clips)
    with c2pa.Reader(str(signed)) as reader:
        manifest = reader.get_active_manifest()
    assert [(item["title"], item["relationship"]) for item in manifest["ingredients"]] == [
        ("camera.mov", "componentOf")
    ]
    assert MADE_IN_PART_BY_A_MODEL in json.dumps(manifest)
    assert read_signature(signed).made_by_a_model


def test_a_modified_signed_film_is_invalid(tmp_path: Path, film: Path) -> None:
    signed = tmp_path / "signed.mp4"
    sign_film(film, signed, read_signer(*write_chain(tmp_path)), title="The Kite", pictures=[])
    data = bytearray(signed.read_bytes())
    data[data.rindex(b"mdat") + 200] ^= 1
    signed.write_bytes(data)
    with c2pa.Reader(str(signed)) as reader:
        failures = {item["code"] for item in reader.get_validation_results()["activeManifest"]["failure"]}
    assert "assertion.bmffHash.mismatch" in failures


def test_a_bad_certificate_is_refused(tmp_path: Path, film: Path) -> None:
    chain, key = write_chain(tmp_path)
    for pair in ((chain, chain), (key, key), (tmp_path / "gone.pem", key)):
        with pytest.raises(OnestoryError) as caught:
            sign_film(film, tmp_path / "signed.mp4", read_signer(*pair), title="T", pictures=[])
        assert caught.value.code == "M517"
    assert not (tmp_path / "signed.mp4").exists()
