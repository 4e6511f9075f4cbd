import io

import numpy as np
from PIL import Image, ImageFont

from onestory_cli.media.strip import StripFrame, film_strip, wrap_text

RED, BLUE = (220, 40, 40), (40, 90, 220)


def frame(colour=RED, *, title="opening", caption="", height=64, width=64):
    return StripFrame(title=title, caption=caption, pixels_HW3=np.full((height, width, 3), colour, np.uint8))


def draw(frames, **settings):
    with Image.open(io.BytesIO(film_strip(frames, **settings))) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGBA"))


def area(picture, colour):
    return int((picture[..., :3] == colour).all(axis=-1).sum())


def test_every_frame_is_shown_once_at_a_whole_multiple():
    picture = draw([frame(RED), frame(BLUE), frame(RED)], columns=2, width=200)
    corners = 50  # rounded off, at most, of each frame
    assert 192 * 192 * 2 - 2 * corners <= area(picture, RED) <= 192 * 192 * 2
    assert 192 * 192 - corners <= area(picture, BLUE) <= 192 * 192


def test_frames_run_from_left_to_right_then_down():
    picture = draw([frame((10 * index, 200, 0)) for index in range(1, 6)], columns=3)
    centres = []
    for index in range(1, 6):
        rows, columns = np.nonzero((picture[..., :3] == (10 * index, 200, 0)).all(axis=-1))
        centres.append((round(rows.mean() / picture.shape[0], 1), columns.mean()))
    assert [row for row, _ in centres] == sorted(row for row, _ in centres)
    assert centres[0][1] < centres[1][1] < centres[2][1]
    assert centres[3][1] == centres[0][1]


def test_pixels_stay_square_and_sharp():
    checks = np.indices((16, 16)).sum(axis=0)[..., None] % 2 * np.array(RED, np.uint8)
    picture = draw([StripFrame(title="a", caption="", pixels_HW3=checks.astype(np.uint8))], width=160)
    top, left = 36 + 50, 18 + 50
    assert (picture[top : top + 10, left : left + 10, :3] == picture[top, left, :3]).all()
    assert (picture[top, left, :3] != picture[top, left + 10, :3]).any()


def test_large_frames_are_shrunk_to_the_width():
    picture = draw([frame(RED, height=480, width=832)], width=208)
    assert abs(area(picture, RED) - 208 * 120) <= 50


def test_last_strip_is_cut_after_its_last_frame():
    picture = draw([frame()] * 4, columns=3)
    assert (picture[-5, 5 : picture.shape[1] // 4, 3] == 255).all()
    assert (picture[-5, picture.shape[1] // 2 :, 3] == 0).all()


def test_title_and_caption_are_written_below_the_frame():
    plain, labelled = draw([frame(title="")]), draw([frame(title="opening", caption="remembers city[2,3]")])
    text = labelled[36 + 256 : -36]
    assert labelled.shape[0] > plain.shape[0]
    assert area(text, (255, 196, 92)) > 50
    assert area(text, (176, 172, 180)) > 50
    assert area(plain, (255, 196, 92)) == 0


def test_long_texts_stay_within_their_frame_and_three_lines():
    long = frame(title="a-very-long-name-of-a-shot-that-never-ends", caption="remembers opening[2,3,4], " * 20)
    three = frame(caption=" ".join(["one-word-per-line-" * 3] * 3))
    picture = draw([long, frame(BLUE)], columns=2)
    between = picture[36 + 256 + 9 : -36, 18 + 256 + 1 : 18 + 256 + 18, :3]
    assert (between == between[0, 0]).all()
    assert picture.shape[0] == draw([three]).shape[0]


def test_same_film_gives_the_same_picture():
    frames = [frame(caption="remembers nothing"), frame(BLUE)]
    assert film_strip(frames) == film_strip(frames)


def test_a_frame_of_another_shape_keeps_it():
    picture = draw([frame(BLUE), frame(RED, height=32, width=64)])
    assert abs(area(picture, RED) - 128 * 256) <= 50


def test_a_text_without_spaces_is_broken_where_the_line_ends():
    font = ImageFont.load_default(15)
    lines = wrap_text("W" * 20, font, 100)
    assert "".join(lines) == "W" * 20
    assert len(lines) > 1
    assert all(font.getlength(line) <= 100 for line in lines)
    assert wrap_text(f"a {'W' * 10_000} b", font, 100, most=2)[-1].endswith("…")
