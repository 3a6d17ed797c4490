"""Cells of the codec's grid: which are touched, how they differ, what is remembered of them."""

from __future__ import annotations

import numpy as np
import pytest

import codec
from rdct.dds.grid import Memory, block_differences, pixels_of, touched, two_levels
from rdct.vision.regions import Region


@pytest.mark.parametrize("region_blocks", [1, 2, 3, 5])
def test_touched_cells_are_those_with_a_pixel_of_the_region(region_blocks):
    size, rng = (61, 83), np.random.default_rng(region_blocks)
    for _ in range(40):
        x0, x1 = sorted(rng.integers(-10, 95, 2))
        y0, y1 = sorted(rng.integers(-10, 75, 2))
        inside = np.zeros(size, bool)
        inside[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)] = True
        cells = touched([Region(x0, y0, x1, y1)], size, region_blocks)
        assert cells.shape == codec.map_shape(*size, region_blocks)
        covered = pixels_of(cells, size, region_blocks)
        assert covered.shape == size and (covered >= inside).all()
        side = 8 * region_blocks
        for row, column in np.argwhere(cells):
            part = inside[row * side : (row + 1) * side, column * side : (column + 1) * side]
            assert part.any()


def test_a_fraction_of_a_pixel_touches_its_cell():
    assert touched([Region(23.5, 0, 24.01, 1)], (48, 48), 3)[0].tolist() == [True, True]
    assert not touched([Region(5, 5, 5, 9)], (48, 48), 3).any()  # without area


def test_a_cell_differs_as_much_as_its_worst_block():
    a = np.full((50, 61, 3), 100, np.uint8)
    b = a.copy()
    b[8:16, 8:16] = 110  # one block of the first cell
    b[49, 60] = 0  # a corner block of 2 x 5 pixels
    found = block_differences(a, b, 3)
    assert found.shape == codec.map_shape(50, 61, 3)
    assert found[0, 0] == 10 and found[2, 2] == pytest.approx(100 / 10)
    assert np.count_nonzero(found) == 2


def test_the_latest_serial_is_remembered_in_whatever_order_they_come():
    memory = Memory((48, 72), 3)
    cells = np.array([[True, False, False], [True, True, False]])
    later = np.array([[True, True, False], [False, False, False]])
    memory.put(np.full((48, 72, 3), 20, np.uint8), later, 2)
    memory.put(np.full((48, 72, 3), 10, np.uint8), cells, 1)
    assert memory.serials.tolist() == [[2, 2, 0], [1, 1, 0]]
    assert memory.picture[::24, ::24, 0].tolist() == [[20, 20, 0], [10, 10, 0]]


def test_two_levels_are_jpegs_tables_and_three_times_those():
    table_set = two_levels(75)
    assert table_set.levels == 2
    assert np.array_equal(table_set.tables[0], codec.TableSet.ijg(75).tables[0])
    assert np.array_equal(table_set.tables[1], 3 * table_set.tables[0])
    assert two_levels(1, 100.0).tables.max() == 4095
    with pytest.raises(ValueError, match="ratio"):
        two_levels(75, 0.5)
