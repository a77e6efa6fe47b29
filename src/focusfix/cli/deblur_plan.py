"""What ``focusfix deblur`` is asked for: which weights, and whether the options are theirs."""

from focusfix.cli.alphas import AUTO as AUTO_ALPHA
from focusfix.cli.alphas import check_alpha, parse_alphas
from focusfix.cli.classical_options import check_classical_options
from focusfix.cli.console import Console
from focusfix.cli.deblur_options import DeblurOptions
from focusfix.cli.model_choice import AUTO, family_of, find_model
from focusfix.cli.options import named_given
from focusfix.cli.refocus_options import REFOCUSER, check_refocus_options, read_wanted
from focusfix.errors import UsageError

LATENT_LINE = "latent-line"
"""Family of networks that extrapolate, and name of the weights of it that ship."""

LEAST_SAFE_ALPHA = 0.125
"""Below it, extrapolation amplifies noise more than tenfold."""


def plan_model(options: DeblurOptions, console: Console) -> tuple[str, tuple[float | None, ...]]:
    """Decide on the weights and alphas of a run, without torch.

    Parameters
    ----------
    options : DeblurOptions
        As the user gave them.
    console : Console
        Told which weights the options ask for, and warned of alphas that amplify noise.

    Returns
    -------
    model : str
        Name or path of weights, or "auto".
    alphas : tuple of float or None
        At least one; None to have it chosen, or for models that take none.

    Raises
    ------
    UsageError
        If an option is out of range or none of the model's.
    ModelError
        If there are no such weights.
    """
    given = given_options(options)
    line_options = [option for option in given if option != "--in-focus-reference"]
    model = options.model
    if model == AUTO and line_options:
        model = LATENT_LINE
        console.note(f"using the model {LATENT_LINE}, which {line_options[0]} is for")
    if model == AUTO:
        family = "restorer"
    else:
        _, header = find_model(model)
        family = family_of(header)
    if family == REFOCUSER:
        read_wanted(options.dz_um, model)
    check_refocus_options(options, family, model)
    check_classical_options(options, family if family == REFOCUSER else model)
    _check_options(given, family, model)
    if options.blurrier is not None and options.self_blur_um is not None:
        raise UsageError(
            "--blurrier and --self-blur-um exclude each other.",
            "Give the second image, or the defocus that makes one.",
        )
    return model, _parse_alphas(options, console)


def given_options(options: DeblurOptions) -> list[str]:
    """Name the options for models with codes that the user gave."""
    return named_given(
        {
            "--alpha": options.alpha,
            "--alphas": options.alphas,
            "--blurrier": options.blurrier,
            "--self-blur-um": options.self_blur_um,
            "--in-focus-reference": options.in_focus_reference,
        }
    )


def _check_options(given: list[str], family: str, model: str) -> None:
    """Refuse options that the model would not use."""
    taken = {
        "latent-line": {"--alpha", "--alphas", "--blurrier", "--self-blur-um"},
        "disentangled": {"--in-focus-reference"},
    }
    surplus = [option for option in given if option not in taken.get(family, set())]
    if not surplus:
        return
    wanted = "disentangled" if surplus[0] == "--in-focus-reference" else LATENT_LINE
    named = "the default model" if model == AUTO else f"the model {model}"
    raise UsageError(
        f"{surplus[0]} is for {wanted} models, and {named} is none.",
        f"Leave {surplus[0]} out, or choose another model with --model.",
    )


def _parse_alphas(options: DeblurOptions, console: Console) -> tuple[float | None, ...]:
    texts = options.alpha or []
    values = [_parse_alpha(text) for text in texts if text != AUTO_ALPHA]
    alphas: list[float | None] = [*parse_alphas(values, options.alphas, zero_allowed=False)]
    if AUTO_ALPHA in texts or not alphas:
        alphas.insert(0, None)
    for alpha in alphas:
        if alpha is not None and alpha < LEAST_SAFE_ALPHA:
            from focusfix.latent.line import noise_gain

            console.warning(
                f"alpha {alpha:g} amplifies independent noise of the two images "
                f"{noise_gain(alpha):.1f} times; from {LEAST_SAFE_ALPHA:g} on it is "
                f"{noise_gain(LEAST_SAFE_ALPHA):.1f} times or less"
            )
    return tuple(alphas)


def _parse_alpha(text: str) -> float:
    try:
        alpha = float(text)
    except ValueError:
        raise UsageError(
            f"--alpha takes a number or auto, not {text!r}.", "Give a number such as 0.5."
        ) from None
    check_alpha(alpha, zero_allowed=False)
    return alpha
