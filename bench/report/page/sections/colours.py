"""A scale of colours for numbers, with an ink that is read on each."""

LEVELS = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))
"""Viridis, red, green and blue at 0, 1/4, 1/2, 3/4 and 1: rising in lightness, also for the colour-blind."""


def shade(share: float) -> tuple[str, str]:
    """Return the colour of a share of a scale, 0 to 1, and black or white, whichever contrasts more.

    Examples
    --------
    >>> shade(0.0), shade(1.0)
    (('#440154', '#fff'), ('#fde725', '#000'))
    """
    place = min(max(share, 0.0), 1.0) * (len(LEVELS) - 1)
    below = min(int(place), len(LEVELS) - 2)
    levels = [
        round(a + (b - a) * (place - below)) for a, b in zip(LEVELS[below], LEVELS[below + 1], strict=True)
    ]  # fmt: skip
    light = luminance(levels)
    ink = "#fff" if 1.05 / (light + 0.05) >= (light + 0.05) / 0.05 else "#000"
    return "#{:02x}{:02x}{:02x}".format(*levels), ink


def luminance(levels: list[int]) -> float:
    """Return the relative luminance of a colour of three levels, 0-255 (WCAG 2)."""
    linear = [(v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4) for v in (level / 255 for level in levels)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
