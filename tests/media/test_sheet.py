import io

import numpy as np
from PIL import Image

from onestory_cli.media.sheet import RememberedPicture, SheetRow, contact_sheet

RED, BLUE = (220, 40, 40), (40, 90, 220)


def solid(colour, height=64, width=64):
    return np.full((height, width, 3), colour, np.uint8)


def row(*, frames=(RED,), remembered=(), caption="", title="1 opening"):
    items = [
        RememberedPicture(source="opening", index=index, pixels_HW3=solid(BLUE), share=x)
        for index, x in enumerate(remembered)
    ]
    return SheetRow(title=title, caption=caption, note="", frames=[solid(item) for item in frames], remembered=items)


def draw(*rows):
    with Image.open(io.BytesIO(contact_sheet(rows).png)) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGBA"))


def area(picture, colour):
    return int((picture[..., :3] == colour).all(axis=-1).sum())


def test_every_frame_is_shown_twice_as_large():
    assert abs(area(draw(row(frames=(RED, RED))), RED) - 2 * 128 * 128) < 100  # except for round corners


def test_remembered_pictures_are_as_large_as_their_share():
    fine, coarse = (area(draw(row(remembered=(share,))), BLUE) for share in (1.0, 0.5))
    assert abs(fine - 128 * 128) < 60
    assert abs(coarse - 64 * 64) < 60


def test_a_row_per_shot():
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


def test_characters_without_a_font_are_reported():
    plain = contact_sheet([row(caption="A fox on a beach.")])
    assert plain.unwritten == ""
    strange = contact_sheet([row(caption="A fox \ue123 on a \ue124\ue123 beach.")])
    assert strange.unwritten == "\ue123\ue124"
    assert strange.png == contact_sheet([row(caption="A fox (?) on a (?) beach.")]).png


def test_a_right_to_left_caption_is_aligned_right():
    def inked(caption):
        column = draw(row(caption=caption))[36 + 28 : 36 + 90, 18 : 18 + 260, 0] > 200
        return np.nonzero(column.any(axis=0))[0]

    assert inked("abc").max() < 100
    assert inked("\u05d0\u05d1\u05d2" + " abc").min() > 100
