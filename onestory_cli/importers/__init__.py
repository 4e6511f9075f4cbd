"""Import stories of other tools: text in, a commented .story.yaml and a report out.

No models and no file access. Everything in the source is either in the story, kept there as a note, or listed in the
report.
"""

from onestory_cli.importers.formats import FORMATS, Imported, import_story

__all__ = ["FORMATS", "Imported", "import_story"]
