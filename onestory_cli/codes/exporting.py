"""X801 to X805, W801 and W802: films on their way to an editor."""

from __future__ import annotations

from onestory_cli.codes.row import Code

EXPORTING = (
    Code(
        code="X801",
        title="Something is there already",
        explanation="An export never takes the place of a file by itself: an editor may have worked on it. Name "
        "another place, or say --force. A folder with other things in it than an earlier export is never replaced.",
        bad="onestory export film.run --to otio      (twice)",
        good="onestory export film.run --to otio --force",
    ),
    Code(
        code="X802",
        title="OpenTimelineIO is not installed",
        explanation="Timelines are written by the OpenTimelineIO library, which comes with the extra `export`. "
        "All other exports need nothing more than onestory itself.",
        bad="pip install onestory",
        good="pip install 'onestory[export]'",
    ),
    Code(
        code="X803",
        title="No shot has a subtitle",
        explanation="Subtitles are what shots say under `subtitle:`, and no rendered shot of the story says anything. "
        "Adding one makes no shot again.",
        bad="- {id: opening, caption: $fox looks up.}",
        good="- {id: opening, caption: $fox looks up., subtitle: The kite was gone.}",
    ),
    Code(
        code="X804",
        title="A rate that timecode cannot count",
        explanation="An EDL counts in timecode of 24, 25, 30, 48, 50 or 60 frames per second. A film whose own rate "
        "divides one of these keeps every cut exactly; another one would not.",
        bad="fps: 7",
        good="fps: 8",
    ),
    Code(
        code="X805",
        title="The run has no whole film",
        explanation="The film.mp4 of the run is missing, damaged, or not of the takes that count by now. "
        "`onestory resume` joins it again; shots that stand are not made again for that.",
        bad="rm film.run/film.mp4 && onestory export film.run --to mp4",
        good="onestory resume film.run && onestory export film.run --to mp4",
    ),
    Code(
        code="W801",
        title="Shots without a take are left out",
        explanation="The story has shots that are not rendered yet, or whose takes are damaged. The export holds the "
        "others, one after the other, as the film itself does. Render the rest and export again.",
        bad="onestory render film.story.yaml --until city && onestory export film.run --to edl",
        good="onestory resume film.run && onestory export film.run --to edl --force",
    ),
    Code(
        code="W802",
        title="A timeline says less of the sound",
        explanation="Timelines hold the sounds of a film as clips of their own, for an editor to mix. An EDL has none, "
        "OpenTimelineIO has no gain and no fades of its own, and none of them lets music go down for narration. The "
        "film and ProRes have the sound as it was mixed.",
        bad="onestory export film.run --to edl",
        good="onestory export film.run --to fcpxml",
    ),
)
