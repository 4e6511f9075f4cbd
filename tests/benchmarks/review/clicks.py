"""From a click on the review page to the accepted take, and the processor time of an idle review."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks.review.figure import Figure, seconds
from tests.benchmarks.review.films import film_of_takes, server
from tests.report.chromium import Page, browser

CLICKS, IDLE_SECONDS = 10, 20
# The time between the trusted click and the change that it leads to, both seen by the page itself.
WATCH = """(() => {
  window.found = null;
  const begin = (event) => { if (event.isTrusted && event.target.closest('button')) window.began = performance.now(); };
  document.addEventListener('click', begin, {capture: true});
  const look = () => {
    if (window.wanted && window.found === null && document.querySelector(window.wanted)) {
      window.found = (performance.now() - window.began) / 1000;
    }
  };
  new MutationObserver(look).observe(document.body, {subtree: true, childList: true, attributes: true});
})()"""


def accepting(folder: Path) -> list[Figure]:
    """Accept takes of the last shot by clicks. That makes no shot stale, so the page does not ask first."""
    with _copy(film_of_takes(folder)) as run, server("review", str(run)) as (_, address), _tab(address) as page:
        page.evaluate(WATCH)
        accepted = []
        for turn in range(CLICKS):
            take = f"#shot-shot-9 .take[data-number='{1 + turn % 2}']"
            accepted.append(_click(page, f"{take} [data-act=accept]", f"{take}.accepted"))
            page.until(f'!document.querySelector("{take} [data-act=accept]")')  # its new card is there
    return [seconds("review: click to accepted take", accepted, 0.2)]


def idle(folder: Path) -> list[Figure]:
    """The share of a processor that the server uses while a page is open."""
    with server("review", str(film_of_takes(folder))) as (process, address), _tab(address):
        time.sleep(2)  # the page loads its pictures
        before, began = _processor_seconds(process.pid), time.monotonic()
        time.sleep(IDLE_SECONDS)
        share = (_processor_seconds(process.pid) - before) / (time.monotonic() - began)
    return [Figure(name="review: idle, of a processor", value=100 * share, unit="%", goal=1.0)]


def _click(page: Page, button: str, wanted: str) -> float:
    page.evaluate(f"window.found = null, window.wanted = {wanted!r}, 0")
    page.click(button)
    page.until("window.found !== null")
    return float(page.evaluate("window.found"))


@contextmanager
def _copy(run: Path) -> Iterator[Path]:
    """A copy of a run and its story, which a measurement may change."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(run.with_name(f"{run.stem}.story.yaml"), folder)
        yield Path(shutil.copytree(run, Path(folder) / run.name))


@contextmanager
def _tab(address: str) -> Iterator[Page]:
    """A page of the review in Chromium."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile, browser(Path(profile)) as page:
        page.call("Emulation.setDeviceMetricsOverride", width=1280, height=900, deviceScaleFactor=1, mobile=False)
        page.prefer()
        page.call("Page.navigate", url=address)
        page.until("document.readyState === 'complete' && document.querySelectorAll('article.shot').length > 0")
        yield page


def _processor_seconds(process: int) -> float:
    """Processor time that a process has used, from /proc."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
