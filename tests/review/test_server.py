from __future__ import annotations

import errno
import http.client
import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from onestory_cli.report.page import render_page
from onestory_cli.review.server import ReviewServer
from onestory_cli.review.session import ReviewSession
from onestory_cli.store.run import Run
from onestory_cli.store.writer import lock_run
from tests.commands.conftest import Onestory, change
from tests.report.test_page import HOSTILE, Elements
from tests.review.conftest import TOKEN, Client, loader, served
from tests.review.test_session import ids


def wait_idle(client: Client, *states: str) -> None:
    end = time.monotonic() + 30
    while client.server.queue.progress.state not in (states or ("idle",)) or client.server.queue.progress.queued:
        assert time.monotonic() < end, client.server.queue.progress
        time.sleep(0.02)


def test_the_page_has_the_templates_of_the_report(client: Client, session: ReviewSession) -> None:
    status, body, headers = client.get("")
    assert status == 200
    page = Elements(body.decode())
    film = session.snapshot().film
    assert film is not None
    report = Elements(render_page(film))
    titles = [[item for tag, item in found.found if tag == "article"] for found in (page, report)]
    assert [item["id"] for item in titles[0]] == [item["id"] for item in titles[1]]
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    policy = page.all("meta")[1]["content"] or ""
    assert "default-src 'none'" in policy
    assert "connect-src 'self'" in policy
    assert "unsafe" not in policy


def test_without_the_token_nothing_is_shown(client: Client) -> None:
    for path in ("/", "/wrong/", f"/{TOKEN[:-1]}/", "/wrong/film.mp4", "//", f"/x/{TOKEN}/"):
        status, body, _ = client.request("GET", path)
        assert status == 403, path
        assert b"Kite" not in body


def test_foreign_hosts_and_origins_are_refused(client: Client, session: ReviewSession) -> None:
    before = Path("film.run/run.json").read_bytes()
    accept = {"shot": "city", "take": ids(session)[1]}
    assert client.get("", Host="attacker.example:80")[0] == 403
    assert client.get("", Host=f"attacker.example:{client.server.port}")[0] == 403
    assert client.get("", Origin="http://attacker.example")[0] == 403
    assert client.post("accept", accept, Origin="http://attacker.example")[0] == 403
    assert client.post("accept", accept, Origin="null")[0] == 403
    assert client.post("accept", accept, Origin="")[0] == 403
    assert client.post("accept", accept, **{"Content-Type": "text/plain"})[0] == 400
    assert Path("film.run/run.json").read_bytes() == before
    assert client.post("accept", accept)[0] == 200


OUTSIDE = (
    "take/city/../../run.json",
    "take/..%2f..%2f/run.mp4",
    "take/city/..%2f..%2f..%2frun.mp4",
    "take/%2e%2e/%2e%2e.mp4",
    "card/..%2f..%2fetc%2fpasswd",
    "take/city/%00.mp4",
    "../../../etc/passwd",
)


def test_no_path_leaves_the_run(client: Client) -> None:
    for path in OUTSIDE:
        assert client.get(path)[0] in (403, 404, 409), path


def test_clips_are_served_in_parts(client: Client, session: ReviewSession, takes_run: Path) -> None:
    take = ids(session)[1]
    clip = (takes_run / "shots" / "city" / take / "clip.mp4").read_bytes()
    assert client.get(f"take/city/{take}.mp4")[1] == clip
    status, body, headers = client.get("film.mp4", Range="bytes=0-99")
    assert (status, len(body)) == (206, 100)
    assert headers["content-type"] == "video/mp4"
    client.post("accept", {"shot": "city", "take": take})
    assert client.get("film.mp4")[0] == 404  # it is not the film of the accepted takes any more


WRONG = (
    ("accept", {"shot": "city"}),
    ("accept", ["city"]),
    ("accept", {"shot": "gone", "take": "1"}),
    ("accept", {"shot": "city", "take": "../../x"}),
    ("note", {"shot": "city", "take": "999", "text": "x", "rejected": True}),
    ("new", {"shot": "gone"}),
    ("check", {"shot": "gone", "caption": "x"}),
    ("caption", {"shot": "city", "caption": "x", "before": "another caption"}),
    ("caption", {"shot": "city", "caption": "x" * 100_000, "before": ""}),
)


def test_wrong_requests_are_refused(client: Client, story: Path) -> None:
    before = Path("film.run/run.json").read_bytes(), story.read_bytes()
    for action, document in WRONG:
        assert client.post(action, document)[0] in (400, 409), (action, document)
    assert (Path("film.run/run.json").read_bytes(), story.read_bytes()) == before


def test_markup_of_a_story_stays_text(client: Client, story: Path) -> None:
    text = HOSTILE.replace("'", "''")
    change(story, "A city at night.", f"'{text}'")
    body = client.get("")[1].decode()
    assert "<script>document.title" not in body
    assert "onerror" not in {name for _, found in Elements(body).found for name in found}
    card = client.get("card/city")[1].decode()
    assert "<script" not in card
    assert any(item.get("data-saved") == HOSTILE for item in Elements(card).all("textarea"))
    _, answer = client.post("check", {"shot": "city", "caption": HOSTILE})
    assert answer["resolved"] == " ".join(HOSTILE.split())


def test_a_story_with_errors_and_without_a_run_is_explained(story: Path) -> None:
    good = story.read_text()
    change(story, "$fox waves", "$fux waves")
    with served(ReviewServer(ReviewSession(Path("film.run"), story), token=TOKEN, loader=loader)) as client:
        status, body, _ = client.get("")
        page = Elements(body.decode())
        assert status == 409
        assert "film.story.yaml:14:14: S104: unknown character" in page.text
        assert {"http-equiv": "refresh", "content": "2"} in page.all("meta")
        story.write_text(good)
        assert client.get("")[0] == 200


def test_a_read_only_review_changes_nothing(session: ReviewSession) -> None:
    take = ids(session)[1]
    with served(ReviewServer(session, token=TOKEN, read_only=True, loader=loader)) as client:
        for action in ("accept", "note", "new", "render", "stop", "caption"):
            assert client.post(action, {"shot": "city", "take": take})[0] == 404
        page = Elements(client.get("")[1].decode())
        assert [item for item in page.all("button") if "data-act" in item] == []
        assert page.all("textarea") == [{"rows": "3", "maxlength": "2000", "dir": "auto"}]  # of the dialog


def test_another_seed_is_queued_and_rendered(client: Client, session: ReviewSession, onestory: Onestory) -> None:
    assert client.post("new", {"shot": "city"})[0] == 200
    assert client.post("new", {"shot": "city"})[0] == 200
    wait_idle(client)
    assert len(ids(session)) == 5
    listed = onestory("take", "list", "film.run", "city", "--json").json["takes"]
    assert [item["id"] for item in listed if item["accepted"]] == [ids(session)[0]]


def test_work_waits_for_another_process(client: Client, session: ReviewSession, takes_run: Path) -> None:
    with lock_run(Run.open(takes_run)):
        client.post("new", {"shot": "city"})
        wait_idle(client, "waiting")
        status, answer = client.post("accept", {"shot": "city", "take": ids(session)[1]})
        assert status == 409
        assert answer["findings"][0]["code"] == "R401"
    wait_idle(client)
    assert len(ids(session)) == 4


def test_a_render_waits_for_the_user_and_continues(story: Path) -> None:
    change(story, "  - id: city\n", "  - id: city\n    accept: ask\n")
    session = ReviewSession(Path("film.run"), story)
    with served(ReviewServer(session, token=TOKEN, loader=loader)) as client:
        client.post("render", {})
        wait_idle(client, "asks")
        assert client.server.queue.progress.asks == "city"
        assert session.snapshot().waiting == {"city"}
        card = client.get("card/city")[1].decode()
        assert 'data-act="accept"' in card
        client.post("accept", {"shot": "city", "take": ids(session)[0]})
        wait_idle(client)
    assert Path("film.run/film.mp4").exists()
    assert session.snapshot().stale == {}


def test_every_open_page_gets_changes(client: Client, session: ReviewSession, onestory: Onestory) -> None:
    streams = [Stream(client), Stream(client)]
    for stream in streams:
        assert stream.read()[0] == "progress"
    client.post("accept", {"shot": "city", "take": ids(session)[1]})
    assert all("city" in stream.until("changed")["shots"] for stream in streams)
    onestory("take", "accept", "film.run", "city", ids(session)[2])
    assert all("city" in stream.until("changed")["shots"] for stream in streams)
    for stream in streams:
        stream.close()


class Stream:
    """The events of a page."""

    def __init__(self, client: Client) -> None:
        import http.client

        self._connection = http.client.HTTPConnection("127.0.0.1", client.server.port, timeout=30)
        self._connection.request("GET", f"/{TOKEN}/events")
        self._answer = self._connection.getresponse()

    def read(self) -> tuple[str, dict]:
        name, document = "", {}
        while line := self._answer.readline().decode().strip():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                document = json.loads(line.removeprefix("data: "))
        return name, document

    def until(self, name: str) -> dict:
        while True:
            found, document = self.read()
            if found == name:
                return document

    def close(self) -> None:
        self._connection.close()


def test_a_failing_disk_is_a_coded_answer_and_the_server_continues(
    client: Client, session: ReviewSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "Input/output error", "film.run/run.json")

    document = {"shot": "city", "take": ids(session)[1]}
    with monkeypatch.context() as broken:
        broken.setattr(session, "accept", fail)
        status, answer = client.post("accept", document)
        assert (status, answer["findings"][0]["code"]) == (409, "U608")
        broken.setattr(ReviewSession, "_read", fail)
        Path("film.run/notes.json").touch()
        status, answer = client.post("check", {"shot": "city", "caption": "A city."})
        assert (status, answer["findings"][0]["code"]) == (409, "U608")
    assert client.post("accept", document)[0] == 200


def test_a_page_that_missed_a_change_loads_again(client: Client, session: ReviewSession) -> None:
    _, page, _ = client.get("")
    version = re.search(rb'"version": (\d+)', page)
    assert version is not None
    path = f"events?version={version[1].decode()}"
    with events(client, path) as connected:
        assert names(connected.read1()) == ["progress"]
        client.post("note", {"shot": "city", "take": ids(session)[1], "text": "Too dark.", "rejected": True})
        assert names(connected.read1()) == ["changed"]
    with events(client, path) as late:
        assert names(late.read1()) == ["progress", "changed"]
    with events(client, path, **{"Last-Event-ID": str(session.snapshot().version)}) as again:
        assert names(again.read1()) == ["progress"]


@contextmanager
def events(client: Client, path: str, **headers: str) -> Iterator[http.client.HTTPResponse]:
    """The stream of events of a page."""
    connection = http.client.HTTPConnection("127.0.0.1", client.server.port, timeout=30)
    connection.request("GET", f"/{TOKEN}/{path}", headers=headers)
    yield connection.getresponse()
    connection.close()


def names(text: bytes) -> list[str]:
    return re.findall(r"^event: (\w+)", text.decode(), re.MULTILINE)
