"""Requests to a server: addresses, redirects and a full disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from onestory_cli.errors import OnestoryError
from onestory_cli.external.http import HttpClient, HttpError
from tests.external.server import FakeComfyUi


def test_redirects_are_not_followed(story: Path, server: FakeComfyUi) -> None:
    server.redirect = "http://192.0.2.1/"
    with pytest.raises(HttpError, match="302"):
        HttpClient(server.address).get_map("/system_stats", {})


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:99999", "http://[::1", "http:///x", "127.0.0.1:8188", "ftp://127.0.0.1"]
)
def test_an_invalid_address_is_refused(address: str) -> None:
    with pytest.raises(OnestoryError, match="its address is not valid") as caught:
        HttpClient(address)
    assert caught.value.code == "M552"


def test_https_is_not_sent_as_plain_text(server: FakeComfyUi) -> None:
    with pytest.raises(OnestoryError) as caught:
        HttpClient(server.address.replace("http:", "https:"), retry_seconds=()).get_map("/system_stats", {})
    assert caught.value.code == "M552"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_reported_while_a_result_is_fetched(server: FakeComfyUi) -> None:
    server.pictures["film.mp4"] = b"0" * 100_000
    with pytest.raises(OnestoryError, match="no space left") as caught:
        HttpClient(server.address).download("/view", {"filename": "film.mp4"}, Path("/dev/full"))
    assert caught.value.code == "R405"
