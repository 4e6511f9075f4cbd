"""Options of `onestory curate` that change the recipe, and what the command shows of each video."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from onestory_cli.commands._options import option
from onestory_cli.errors import ExitCode, OnestoryError, shorten

if TYPE_CHECKING:
    from onestory_cli.curation.recipe import CurateRecipe
    from onestory_cli.curation.run import CurateSummary, Workers
    from onestory_cli.curation.video_curator import CuratorConfig
    from onestory_cli.curation.video_stages import CuratedVideo


@dataclass(frozen=True, kw_only=True)
class RecipeFlags:
    """The recipe, and options that replace its values."""

    recipe: Annotated[Path | None, option("--recipe", metavar="FILE", help="Thresholds and settings, a YAML file.")] = (
        None
    )
    detector: Annotated[
        str | None, option("--detector", metavar="NAME", help="Shot detector: adaptive or transnetv2.")
    ] = None
    captioner: Annotated[
        str | None,
        option("--captioner", metavar="WHO", help="Who writes captions: file:PATH, endpoint:URL, hub:ID or readout."),
    ] = None
    caption_model: Annotated[
        str | None, option("--caption-model", metavar="NAME", help="Model that the endpoint is asked for.")
    ] = None
    encoders: Annotated[
        str | None, option("--encoders", metavar="IDS", help='Image encoders, separated by commas, or "none".')
    ] = None
    cast: Annotated[
        str | None,
        option("--cast", metavar="NAME", help="What finds characters: dfine-small, another D-FINE, readout or none."),
    ] = None

    @property
    def folder(self) -> Path:
        """The folder that paths of the recipe are relative to."""
        return self.recipe.parent if self.recipe else Path()

    def settings(self) -> CurateRecipe:
        """Return the recipe with the values of the command line.

        Raises:
            OnestoryError: T651 for a recipe that cannot be read, or a wrong value.
        """
        from onestory_cli.curation.recipe import faults_of, read_curate_recipe

        settings = self._overridden(read_curate_recipe(self.recipe))
        if faults := [*faults_of(settings)]:
            raise OnestoryError("T651", "; ".join(faults), help="see `onestory help curate`", exit=ExitCode.USAGE)
        return settings

    def _overridden(self, recipe: CurateRecipe) -> CurateRecipe:
        if self.detector is not None:
            recipe = replace(recipe, cuts=replace(recipe.cuts, detector=self.detector))
        if self.captioner is not None:
            recipe = replace(recipe, captions=replace(recipe.captions, captioner=self.captioner))
        if self.caption_model is not None:
            recipe = replace(recipe, captions=replace(recipe.captions, model=self.caption_model))
        if self.cast is not None:
            recipe = replace(recipe, cast=replace(recipe.cast, detector=self.cast))
        if self.encoders is not None:
            names = () if self.encoders == "none" else tuple(filter(None, map(str.strip, self.encoders.split(","))))
            recipe = replace(recipe, encoders=names)
        return recipe


@dataclass(frozen=True, kw_only=True)
class CurateWorkers:
    """Who curates: this process, several processes, or tasks on a Ray cluster."""

    workers: Annotated[
        int | None,
        option(
            "--workers", metavar="N", min=1, help="Videos curated at a time [default: 1; with --ray as many as fit]."
        ),
    ] = None
    ray: Annotated[str | None, option("--ray", metavar="ADDRESS", help='Run on this Ray cluster, or "local".')] = None

    def pool(self, config: CuratorConfig) -> Workers | None:
        """Return how to start the workers; None for this process.

        Raises:
            OnestoryError: M514 or B804 if the cluster cannot be used.
        """
        from onestory_cli.curation.run import Workers

        if self.ray:
            from onestory_cli.curation.ray_pool import count_workers, ray_pool

            address = self.ray
            count = self.workers or count_workers(address, config)
            return Workers(count=count, open_pool=lambda: ray_pool(config, address, count))
        from onestory_cli.curation.worker_pool import local_pool

        count = self.workers or 1
        return Workers(count=count, open_pool=lambda: local_pool(config, count)) if count > 1 else None


@dataclass(frozen=True, kw_only=True)
class CurateOutput:
    """What the command shows: verdicts about the shot `explain`, and the stories that it writes, if `stories`."""

    out: Path
    explain: str | None
    stories: bool
    verdicts: list[str] = field(default_factory=list)
    written: list[Path] = field(default_factory=list)

    def add(self, video: CuratedVideo) -> None:
        """Take a curated video."""
        self.verdicts.extend(
            f"{shot.id}: {'; '.join(shot.rejected) or 'kept'}" for shot in video.shots if shot.id == self.explain
        )
        if self.stories and video.sequences:
            self.written.append(_write_story(video, self.out))

    def require_verdict(self) -> None:
        """Raise T655 if the shot to explain was not found."""
        if self.explain is not None and not self.verdicts:
            message = f'no shot "{shorten(self.explain)}" in this set'
            raise OnestoryError("T655", message, help="the report shows the id of each shot", exit=ExitCode.USAGE)

    def lines(self) -> list[str]:
        """Verdicts, else the stories, else the manifest."""
        from onestory_cli.curation import manifest_file

        return [*map(str, self.verdicts or self.written or [self.out / manifest_file.FILE])]

    def document(self, summary: CurateSummary) -> dict[str, object]:
        """The result as JSON values."""
        from onestory_cli.curation import manifest_file, report_page

        return {
            "manifest": str(self.out / manifest_file.FILE),
            "report": str(self.out / report_page.FILE),
            "videos": summary.videos,
            "shots": summary.shots,
            "kept": summary.kept,
            "sequences": summary.sequences,
            "rejected": dict(summary.reasons),
            "faults": [{"video": video, "fault": fault} for video, fault in summary.faults],
            "explained": self.verdicts,
            "stories": [str(path) for path in self.written],
        }


def _write_story(video: CuratedVideo, out: Path) -> Path:
    from onestory_cli.curation.film_story import MODEL, write_film_story
    from onestory_cli.models.catalog import find

    model = find(MODEL)
    return write_film_story(video, out, longest=(model.frames - 1) / model.fps)
