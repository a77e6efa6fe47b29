"""From focal series to training, validation and test: no two splits share a field."""

import hashlib
from collections.abc import Sequence
from typing import Literal

from focusfix.data.focus_series import FocusSeries
from focusfix.data.layouts import natural_order
from focusfix.errors import InputError, UsageError

SplitBy = Literal["auto", "field", "well"]
SplitOrder = Literal["shuffle", "plate-order"]


def assign_splits(
    groups: Sequence[str],
    *,
    validation_share: float,
    test_share: float,
    seed: int,
    order: SplitOrder = "shuffle",
) -> dict[str, str]:
    """Split fields, or wells, into training, validation and test.

    Parameters
    ----------
    groups : sequence of str
        Names of what stays together; those that occur again count once.
    validation_share, test_share : float
        Shares of the groups; together below 1. A share above 0 gets at least one group where
        there are enough: validation from two groups on, test from four on.
    seed : int
        Of the shuffle.
    order : {"shuffle", "plate-order"}
        "shuffle" orders the groups by a hash of seed and name, so that the order of the files
        does not matter; "plate-order" sorts them by name, the first ones for test, the next ones
        for validation.

    Returns
    -------
    dict of str to str
        "train", "validation" or "test" for each group.

    Raises
    ------
    UsageError
        If the shares leave nothing for training.

    Examples
    --------
    >>> assign_splits(["a", "b", "c", "d"], validation_share=0.25, test_share=0.25, seed=0,
    ...               order="plate-order")
    {'a': 'test', 'b': 'validation', 'c': 'train', 'd': 'train'}
    """
    if min(validation_share, test_share) < 0 or validation_share + test_share >= 1:
        raise UsageError(
            f"The shares of validation ({validation_share:g}) and test ({test_share:g}) leave "
            "nothing for training.",
            "Give --validation-share and --test-share that add up to less than 1.",
        )
    names = sorted(set(groups), key=natural_order)
    if order == "shuffle":
        names.sort(key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).digest())
    n_validation = _count(validation_share * len(names), at_most=len(names) - 1)
    spare = 2 if n_validation else 1
    n_test = _count(test_share * len(names), at_most=len(names) - n_validation - spare)
    parts = ["test"] * n_test + ["validation"] * n_validation
    parts += ["train"] * (len(names) - len(parts))
    return dict(zip(names, parts, strict=True))


def _count(wanted: float, *, at_most: int) -> int:
    """Round a number of groups, at least one if any are wanted and there is room."""
    return 0 if wanted <= 0 else max(0, min(max(1, round(wanted)), at_most))


def split_series(
    series: Sequence[FocusSeries],
    *,
    by: SplitBy,
    validation_share: float,
    test_share: float,
    seed: int,
    order: SplitOrder = "shuffle",
) -> dict[str, str]:
    """Assign every field to a split: the declared one, else by wells or fields.

    Parameters
    ----------
    series : sequence of FocusSeries
        All series of the data.
    by : {"auto", "field", "well"}
        What stays together; "auto" takes wells where all series name one.
    validation_share, test_share, seed, order
        As in :func:`assign_splits`.

    Returns
    -------
    dict of str to str
        "train", "validation" or "test" for each field.

    Raises
    ------
    InputError
        If wells are wanted and not known, or nothing is left for training.
    """
    if any(each.split for each in series):
        declared = {each.field: str(each.split) for each in series}
        if "train" not in declared.values():
            raise InputError(
                "The manifest declares no field for training.", "Give some rows the split train."
            )
        return declared
    wells_known = all(each.well for each in series)
    if by == "well" and not wells_known:
        raise InputError(
            "The wells of the data are not known.", "Split by field, or name wells in a manifest."
        )
    use_wells = by != "field" and wells_known
    group_of = {each.field: str(each.well) if use_wells else each.field for each in series}
    splits = assign_splits(
        list(group_of.values()),
        validation_share=validation_share,
        test_share=test_share,
        seed=seed,
        order=order,
    )
    return {field: splits[group] for field, group in group_of.items()}
