"""Plans of parcels."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.plats import PARCELS, SIDE, TONES, draw_plat, measure_area


@given(st.binary(min_size=32, max_size=32))
def test_a_plan_divides_the_whole_square_into_parcels(seed: bytes):
    parcels = draw_plat(seed)

    areas = [measure_area(parcel.corners) for parcel in parcels]
    corners = [corner for parcel in parcels for corner in parcel.corners]
    assert len(parcels) == PARCELS
    assert all(area > 0 for area in areas)
    # Corners are rounded down to whole units, so that a border may leave a sliver.
    assert abs(sum(areas) - 2 * SIDE * SIDE) <= 2 * PARCELS * 3 * SIDE
    assert all(0 <= x <= SIDE and 0 <= y <= SIDE for x, y in corners)
    assert all(0 <= parcel.tone < TONES for parcel in parcels)


def test_the_same_hash_draws_the_same_plan_and_another_another():
    assert draw_plat(bytes(32)) == draw_plat(bytes(32))
    assert draw_plat(bytes(32)) != draw_plat(b"\xff" + bytes(31))


def test_refuses_a_short_hash():
    with pytest.raises(ValueError, match="needs 24 bytes, not 23"):
        draw_plat(bytes(23))


def test_a_parcel_is_written_as_svg_has_it():
    points = draw_plat(bytes(32))[0].points

    assert all(part.count(",") == 1 for part in points.split(" "))
