"""A split never shares a field, whatever the fields, shares and seed."""

from hypothesis import given, settings
from hypothesis import strategies as st

from focusfix.data.focus_series import FocusSeries, PlaneSource
from focusfix.data.sampling import assign_splits, split_series

SHARES = st.floats(0, 0.49)
FIELDS = st.lists(
    st.tuples(st.integers(0, 11), st.integers(1, 3), st.sampled_from(["w1", "w2"])),
    min_size=1,
    max_size=40,
    unique=True,
)


def series_of(well, site, channel):
    return FocusSeries(
        field=f"a{well:02d}_s{site}",
        channel=channel,
        planes=(PlaneSource("a.tif"), PlaneSource("b.tif")),
        z_levels=(0, 1),
        shape_yx=(64, 64),
        well=f"a{well:02d}",
    )


@settings(deadline=None, max_examples=60)
@given(
    fields=FIELDS,
    validation_share=SHARES,
    test_share=SHARES,
    seed=st.integers(0, 2**31),
    by=st.sampled_from(["auto", "field", "well"]),
    order=st.sampled_from(["shuffle", "plate-order"]),
)
def test_no_field_and_no_well_in_two_splits(fields, validation_share, test_share, seed, by, order):
    series = [series_of(*each) for each in fields]
    splits = split_series(
        series,
        by=by,
        validation_share=validation_share,
        test_share=test_share,
        seed=seed,
        order=order,
    )
    assert set(splits) == {each.field for each in series}
    assert "train" in splits.values()
    if by != "field":
        for well in {each.well for each in series}:
            assert len({splits[each.field] for each in series if each.well == well}) == 1


@settings(deadline=None, max_examples=60)
@given(
    names=st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=60, unique=True),
    validation_share=SHARES,
    test_share=SHARES,
    seed=st.integers(0, 2**31),
    data=st.data(),
)
def test_the_order_of_files_does_not_matter(names, validation_share, test_share, seed, data):
    shuffled = data.draw(st.permutations(names))
    shares = {"validation_share": validation_share, "test_share": test_share, "seed": seed}
    first = assign_splits(names, **shares)
    assert first == assign_splits(shuffled, **shares)
    held_out = sum(split != "train" for split in first.values())
    assert held_out < len(names)
    assert (validation_share > 0 and len(names) > 1) == ("validation" in first.values())
