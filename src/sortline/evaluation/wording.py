"""Figures as a person reads them: "91.2 %", "+1.7 points", "42 photos"."""

from sortline.evaluation.metrics import Proportion


def percent(share: float, digits: int = 1) -> str:
    """A share in 0..1: "91.2 %"."""
    return f"{share * 100:.{digits}f} %"


def recall(share: float, support: int) -> str:
    """A class's recall, with no more digits than its pictures are worth: "93 %"."""
    return percent(share, 0 if support < 200 else 1)


def points(difference: float) -> str:
    """A difference of shares with its sign: "+1.7", "−0.5"; "0.0" has none."""
    text = f"{abs(difference) * 100:.1f}"
    return text if text == "0.0" else ("+" if difference > 0 else "\N{MINUS SIGN}") + text


def photos(count: int) -> str:
    """ "1 photo", "1,200 photos"."""
    return f"{count:,} photo" + ("" if count == 1 else "s")


def classes(names: tuple[str, ...], most: int = 5) -> str:
    """ "Glass, Metal and 3 more"."""
    if len(names) <= most:
        return ", ".join((*names[:-2], " and ".join(names[-2:])))
    return f"{', '.join(names[:most])} and {len(names) - most} more"


def interval(share: Proportion) -> str:
    """Its 95 % interval: "87.1 % to 91.5 %"."""
    return f"{percent(share.low)} to {percent(share.high)}"


def equals(p: float) -> str:
    """A p-value with its sign: "= 0.031", "< 0.001"."""
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"


def small(value: float) -> str:
    """A small number by its order: "2.1e-5"."""
    return f"{value:.1e}".replace("e-0", "e-").replace("e+00", "")


def size(count: float) -> str:
    """Bytes: "11.9 MB"."""
    return f"{count / 1e6:.1f} MB"


def printable(text: str) -> str:
    """The text with a replacement character for each that cannot be shown, or would turn the order of the others."""
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)
