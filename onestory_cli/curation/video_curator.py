"""All stages of one video after another, with their models and stores. Runs in the command itself or in a worker."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from onestory_cli.curation.captioner_factory import make_captioner
from onestory_cli.curation.cast_networks import load_cast_reader
from onestory_cli.curation.cut_stage import cut_stage
from onestory_cli.curation.edits import read_edits
from onestory_cli.curation.embeddings import Encoders
from onestory_cli.curation.recipe import CurateRecipe
from onestory_cli.curation.stage_store import NotStored, ResultStore, StageStore, StoredResults
from onestory_cli.curation.video_stages import CuratedVideo, StageModels, VideoStages
from onestory_cli.errors import OnestoryError

STAGES_FOLDER = "stages"  # of a set
STAGES = ("cuts", "captions", "embeddings", "cast", "rewritten", "pictures")


@dataclass(frozen=True, kw_only=True)
class CuratorConfig:
    """Settings of a curator, for this or another process. Paths of the recipe are relative to `folder`."""

    out: Path
    recipe: CurateRecipe
    folder: Path
    device: str = "cpu"


def find_device(name: str, recipe: CurateRecipe) -> str:
    """The device of a recipe's networks on this machine; the CPU, without loading torch, if it has none.

    Raises:
        OnestoryError: M504 for a device that this machine does not have.
    """
    networks = {*recipe.encoders, recipe.cast.detector} - {"none", "readout", ""}
    if not networks and not recipe.captions.captioner.startswith("hub:"):
        return "cpu"
    from onestory_cli.models.load import pick_device

    return str(pick_device(name))


class VideoCurator:
    """Curates videos for the set `config.out`. Close it to close its stores.

    `worker` is the name of a worker of the set; "" for the owner (see `StageStore`).

    Raises:
        OnestoryError: T651 for edits, T654 for a captioner that cannot be used, M531 or M532 for a network of the cast.
    """

    def __init__(self, config: CuratorConfig, *, worker: str = "") -> None:
        self._config, recipe, device = config, config.recipe, config.device
        self._models = StageModels(
            captioner=make_captioner(recipe.captions, config.folder, device),
            encoders=Encoders(recipe.encoders, device) if recipe.encoders else None,
            cast=load_cast_reader(recipe.cast, device),
        )
        self._edits = read_edits(config.out)
        self._worker, self._open = worker, ExitStack()

    @cached_property
    def stores(self) -> Mapping[str, StageStore]:
        """The store of each stage; the owner opens them when it holds the lock of the set."""
        stores = {name: StageStore(self._config.out / STAGES_FOLDER / name, worker=self._worker) for name in STAGES}
        for store in stores.values():
            self._open.callback(store.close)
        return stores

    def close(self) -> None:
        """Close the stores."""
        self._open.close()

    def curate(self, path: Path, digest: str) -> CuratedVideo:
        """Return a video with its shots; results that are stored are not computed again."""
        return self._curate(path, digest, self.stores)

    def stored(self, path: Path, digest: str) -> CuratedVideo | None:
        """Return a video if all its results are stored, else None."""
        try:
            return self._curate(path, digest, {name: StoredResults(store) for name, store in self.stores.items()})
        except NotStored:
            return None

    def _curate(self, path: Path, digest: str, stores: Mapping[str, ResultStore]) -> CuratedVideo:
        found = cut_stage(path, digest, self._config.recipe, stores["cuts"])
        video = CuratedVideo(path=path, digest=digest, found=found, fault=found.fault)
        if found.fault or found.facts is None:
            return video
        stages = VideoStages(video, recipe=self._config.recipe, models=self._models, edits=self._edits, stores=stores)
        try:
            return stages.run()
        except OnestoryError as error:
            if error.code != "M508":
                raise
            return replace(video, fault=error.message)
