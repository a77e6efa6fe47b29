"""Which weights each channel of an image goes through, and what speaks against them."""

from typing import TYPE_CHECKING

from focusfix.cli.console import Console
from focusfix.cli.misfits import card_misfits, window_misfits
from focusfix.cli.model_choice import AUTO, Choice, find_model
from focusfix.cli.restoration import middle_window

if TYPE_CHECKING:
    from focusfix.config import Ability
    from focusfix.io.image import ImageReader


def choose_models(
    reader: "ImageReader",
    channels: tuple[int, ...],
    wanted: str,
    console: Console,
    ability: "Ability" = "deblur",
) -> list[Choice]:
    """Decide which weights each channel goes through, and say so.

    Parameters
    ----------
    reader : ImageReader
        The image.
    channels : tuple of int
        Channels to restore.
    wanted : str
        ``--model``; "auto" decides channel by channel.
    console : Console
        Told what "auto" chose, and warned of what does not fit.
    ability : {"deblur", "synthesize-blur", "interpolate"}
        What is to be done.

    Returns
    -------
    list of Choice
        Together they hold every channel once.
    """
    from focusfix.metrics.modality import guess_modality

    windows = {channel: middle_window(reader, channel) for channel in channels}
    looks = {channel: str(guess_modality(window)) for channel, window in windows.items()}
    names: dict[str, list[int]] = {}
    for channel, look in looks.items():
        names.setdefault(look if wanted == AUTO else wanted, []).append(channel)
    choices = []
    for name, members in names.items():
        path, header = find_model(name, ability)
        choices.append(Choice(path, header, tuple(members)))
        if wanted == AUTO:
            console.note(f"{reader.path}: {_describe(members, looks)}, using the model {name}")
    for choice in choices:
        its_looks = {channel: looks[channel] for channel in choice.channels}
        size = reader.metadata.pixel_size_um
        for warning in card_misfits(choice.path.stem, choice.header, its_looks, size):
            console.warning(f"{reader.path}: {warning}")
    for channel, window in windows.items():
        for warning in window_misfits(window, channel, looks[channel]):
            console.warning(f"{reader.path}: {warning}")
    return choices


def _describe(channels: list[int], looks: dict[int, str]) -> str:
    look = looks[channels[0]]
    if len(looks) == 1:
        return f"looks like {look}"
    numbers = ", ".join(str(channel) for channel in channels)
    return f"channel {numbers} looks like {look}"
