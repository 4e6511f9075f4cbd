"""Detection of C2PA manifests from the boxes of a file; `onestory inspect` tests cover their content."""

from __future__ import annotations

from pathlib import Path

import pytest

from onestory_cli.media.sign import read_signature

UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
EMPTY = b""
FTYP = b"\x00\x00\x00\x10ftypisom\x00\x00\x00\x00"
LARGE = b"\x00\x00\x00\x01mdat" + (24).to_bytes(8) + bytes(8)  # its size in 64 bits
TO_THE_END = b"\x00\x00\x00\x00mdat"
NO_BOX = b"\x00\x00\x00\x02mdat"
MANIFEST = b"\x00\x00\x00\x1cuuid" + UUID + bytes(4)


@pytest.mark.parametrize("data", [EMPTY, b"\x00\x00", FTYP, FTYP + TO_THE_END + MANIFEST, FTYP + NO_BOX + MANIFEST])
def test_a_file_without_a_manifest_is_not_signed(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "film.mp4").write_bytes(data)
    assert read_signature(tmp_path / "film.mp4") is None


@pytest.mark.parametrize("data", [MANIFEST, FTYP + MANIFEST, FTYP + LARGE + MANIFEST])
def test_a_broken_manifest_is_invalid(tmp_path: Path, data: bytes) -> None:
    pytest.importorskip("c2pa")
    (tmp_path / "film.mp4").write_bytes(data)
    signature = read_signature(tmp_path / "film.mp4")
    assert signature is not None
    assert (signature.state, bool(signature.problems)) == ("invalid", True)
