"""Garbage collection is paused during large imports."""

from __future__ import annotations

import gc

import pytest

from onestory_cli.utils.imports import paused_collection


def test_collection_resumes_after_a_failed_import() -> None:
    def load() -> None:
        with paused_collection():
            assert not gc.isenabled()
            raise ImportError

    with pytest.raises(ImportError):
        load()
    assert gc.isenabled()


def test_collection_that_the_caller_turned_off_stays_off() -> None:
    gc.disable()
    try:
        with paused_collection():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
