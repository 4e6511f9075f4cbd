import io

import numpy as np
from PIL import Image

from onestory_cli.media.sheet import Remembered, SheetRow, contact_sheet

RED, BLUE = (220, 40, 40), (40, 90, 220)


def solid(colour, height=64, width=64):
    return np.full((height, width, 3), colour, np.uint8)


def row(*, frames=(RED,), remembered=(), caption="", title="1 opening"):
    items = [
        Remembered(label=f"opening {index}", pixels_HW3=solid(BLUE), share=x) for index, x in enumerate(remembered)
    ]
    return SheetRow(title=title, caption=caption, note="", frames=[solid(item) for item in frames], remembered=items)


def draw(*rows):
    with Image.open(io.BytesIO(contact_sheet(rows))) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGBA"))


def area(picture, colour):
    return int((picture[..., :3] == colour).all(axis=-1).sum())


def test_every_frame_is_shown_twice_as_large():
    assert abs(area(draw(row(frames=(RED, RED))), RED) - 2 * 128 * 128) < 100  # but for round corners


def test_remembered_pictures_are_as_large_as_their_share():
    fine, coarse = (area(draw(row(remembered=(share,))), BLUE) for share in (1.0, 0.5))
    assert abs(fine - 128 * 128) < 60
    assert abs(coarse - 64 * 64) < 60


def test_a_row_per_shot_with_nothing_between():
    one, two = draw(row()), draw(row(), row())
    assert len(two) == 2 * len(one) + 18
    assert (two[len(one) : len(one) + 18, :, 3] == 0).all()


def test_rows_are_as_wide_as_the_longest():
    assert draw(row(), row(frames=(RED,) * 3)).shape[1] == draw(row(frames=(RED,) * 3)).shape[1]


def test_long_captions_stay_in_their_column():
    short, long = draw(row(caption="A fox.")), draw(row(caption="A fox walks on a very long beach. " * 50))
    assert short.shape == long.shape
    assert area(short, RED) == area(long, RED)


def test_wide_frames_keep_their_shape():
    wide = SheetRow(title="1", caption="", note="", frames=[solid(RED, 480, 832)])
    assert abs(area(draw(wide), RED) - 128 * round(128 * 832 / 480)) < 100
