"""Shot lists as tables: CSV, TSV and XLSX. Columns are recognized by their headings."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence

from onestory_cli.errors import ExitCode, OnestoryError, did_you_mean, shorten
from onestory_cli.importers.draft import Draft
from onestory_cli.importers.rows import FIELDS, draft_of_rows, field_of, row_of
from onestory_cli.importers.source import SourceFile

_SEPARATORS = (",", ";", "\t", "|")
_MAX_COLUMNS = 200
_MAX_CELL = 20_000  # characters
_MAX_UNPACKED = 64 * 2**20  # bytes of all files in a workbook
_HEADINGS_IN = 20  # first rows in which the headings are searched


def from_table(source: SourceFile) -> Draft:
    """A .csv or .tsv file: a heading per column, a shot per row."""
    source.require_one()
    content = source.text.content
    separator = "\t" if source.suffix == ".tsv" else max(_SEPARATORS, key=content.split("\n", 1)[0].count)
    csv.field_size_limit(2**21)
    try:
        rows = [row[:_MAX_COLUMNS] for row in csv.reader(io.StringIO(content), delimiter=separator)]
    except csv.Error as fault:
        source.report.fault(f"this is not a table: {fault}", "the whole file")
        rows = []
    return draft_of_table(source, rows)


def from_workbook(source: SourceFile) -> Draft:
    """The first sheet of an .xlsx file.

    Raises:
        OnestoryError: I705 without the library that reads workbooks.
        Findings: I702 for a damaged workbook.
    """
    source.require_one()
    return draft_of_table(source, [*_cells(source)])


def _cells(source: SourceFile) -> Iterator[list[str]]:
    try:
        import openpyxl
    except ImportError as fault:
        help = "pip install 'onestory[xlsx]', or save the sheet as CSV"
        raise OnestoryError("I705", "openpyxl is not installed", help=help, exit=ExitCode.MACHINE) from fault
    try:
        with zipfile.ZipFile(io.BytesIO(source.data)) as archive:
            if sum(item.file_size for item in archive.infolist()) > _MAX_UNPACKED:
                raise ValueError(f"it has more than {_MAX_UNPACKED // 2**20} MiB unpacked")
        book = openpyxl.load_workbook(io.BytesIO(source.data), read_only=True, data_only=True)
        for row in book.worksheets[0].iter_rows(max_col=_MAX_COLUMNS, max_row=10_000, values_only=True):
            yield [_cell(value) for value in row]
    except OnestoryError:
        raise
    except Exception as fault:  # openpyxl raises anything for a damaged file
        source.report.fault(f"this is not a workbook: {shorten(fault, 100)}", "the whole file")


def _cell(value: object) -> str:
    if value is None:
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)[:_MAX_CELL]


def draft_of_table(source: SourceFile, rows: Sequence[Sequence[str]], *, title: str = "") -> Draft:
    """The draft of rows of cells. The headings are the first row in which a column of captions is recognized.

    Raises:
        Findings: I702 if no column has captions.
    """
    report = source.report
    _require_known(source)
    first, columns = _headings(rows, source.columns)
    row = rows[first - 1] if first else next(iter(rows), ())
    if not first:
        headings = ", ".join(shorten(cell, 30) for cell in row if cell.strip())
        report.fault(
            "no column has the descriptions of shots",
            "the headings",
            help=f"name it with `--columns caption=HEADING`; the headings are: {shorten(headings, 200)}",
        )
        report.refuse()
    described = ", ".join(f"{key}={shorten(row[at], 30)}" for at, key in columns.items())
    report.note(f"columns: {described}; `--columns FIELD=HEADING,...` changes them")
    for at, cell in enumerate(row):
        if cell.strip() and at not in columns:
            report.left_out(f'the column "{shorten(cell, 40)}"', "")
    shots = []
    for line, cells in enumerate(rows[first:], start=first + 1):
        values = {key: cells[at] for at, key in columns.items() if at < len(cells) and cells[at].strip()}
        if values and set(values) - {"id", "scene"}:
            shots.append(row_of(values, f"row {line}", report))
    return draft_of_rows(shots, report, title=title)


def _headings(rows: Sequence[Sequence[str]], given: Mapping[str, str]) -> tuple[int, dict[int, str]]:
    """The number of the first row that names a column of captions, and its columns; (0, {}) if there is none."""
    for number, row in enumerate(rows[:_HEADINGS_IN], start=1):
        columns = _columns(row, given)
        if "caption" in columns.values():
            return number, columns
    return 0, {}


def _columns(headings: Sequence[str], given: Mapping[str, str]) -> dict[int, str]:
    """Column -> field. Each field has one column, the first; given headings come before guessed ones."""
    by_heading = {value.strip().lower(): key for key, value in given.items()}
    found: dict[int, str] = {}
    order = sorted(range(len(headings)), key=lambda at: headings[at].strip().lower() not in by_heading)
    for at in order:
        heading = headings[at]
        key = by_heading.get(heading.strip().lower()) or field_of(heading)
        if key and key not in found.values() and not (heading.strip().lower() not in by_heading and key in given):
            found[at] = key
    return dict(sorted(found.items()))


def _require_known(source: SourceFile) -> None:
    for key in source.columns:
        if key not in FIELDS:
            help = did_you_mean(key, FIELDS) or f"use {', '.join(FIELDS)}"
            raise OnestoryError("U606", f'unknown field "{shorten(key)}" in --columns', help=help, exit=ExitCode.USAGE)
