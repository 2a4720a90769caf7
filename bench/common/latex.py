"""Any text as LaTeX prints it letter by letter."""

import unicodedata
from functools import cache

LONGEST = 16
"""Letters of a word that a line is not broken in."""


def latex_escaped(text: str) -> str:
    r"""Return a text as LaTeX prints it letter by letter, in ASCII, with no package and in any encoding of fonts.

    Letters with accents, Greek and the usual signs become commands; others, as of an emoji or of a byte that is no
    UTF-8, their code in brackets.

    Examples
    --------
    >>> latex_escaped("a_b: 5 % \\ ±1")
    'a\\_b: 5 \\% \\textbackslash{} $\\pm$1'
    >>> latex_escaped("Mäkinen σ² 木 --x [1]")
    'M\\"{a}kinen $\\sigma$$^{2}$ {[}U+6728{]} -{}-x {[}1{]}'
    """
    letters = "".join(map(_letter, unicodedata.normalize("NFC", text)))
    for ligature in ("--", "``", "''", "?`", "!`", ",,", "<<", ">>"):
        while ligature in letters:
            letters = letters.replace(ligature, "{}".join(ligature))
    return letters


def latex_breakable(text: str) -> str:
    r"""Return a text as `latex_escaped` does, in which a line may end within a word of more than `LONGEST` letters too.

    Examples
    --------
    >>> latex_breakable("abcdefghijklmnopqrs_t u")
    'abcdefghijklmnop\\allowbreak{}qrs\\_t u'
    """
    words = ([word[i : i + LONGEST] for i in range(0, len(word), LONGEST)] for word in text.split(" "))
    return " ".join(r"\allowbreak{}".join(map(latex_escaped, pieces)) for pieces in words)


# Brackets and stars, since after a line of a table they would be read as its option.
_SIGNS = (
    {letter: f"\\{letter}" for letter in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    | {"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", "[": "{[}", "]": "{]}", "*": "{*}"}
    | {"±": r"$\pm$", "×": r"$\times$", "·": r"$\cdot$", "÷": r"$\div$", "−": "$-$", "°": r"$^{\circ}$", "µ": r"$\mu$"}
    | {"≤": r"$\le$", "≥": r"$\ge$", "≈": r"$\approx$", "≠": r"$\ne$", "∞": r"$\infty$", "→": r"$\rightarrow$"}
    | {"–": r"\textendash{}", "—": r"\textemdash{}", "‘": r"\textquoteleft{}", "’": r"\textquoteright{}"}
    | {"“": r"\textquotedblleft{}", "”": r"\textquotedblright{}", "…": r"\dots{}", "«": r"\textless{}\textless{}"}
    | {"»": r"\textgreater{}\textgreater{}", "ß": r"\ss{}", "æ": r"\ae{}", "Æ": r"\AE{}", "œ": r"\oe{}", "Œ": r"\OE{}"}
    | {"ø": r"\o{}", "Ø": r"\O{}", "ł": r"\l{}", "Ł": r"\L{}", "ı": r"\i{}", "§": r"\S{}", "¶": r"\P{}"}
    | {"©": r"\copyright{}", "£": r"\pounds{}", "¡": r"\textexclamdown{}", "¿": r"\textquestiondown{}"}
)

_ACCENTS = {
    "\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0304": "=", "\u0306": "u", "\u0307": ".",
    "\u0308": '"', "\u030a": "r", "\u030b": "H", "\u030c": "v", "\u0323": "d", "\u0327": "c",
}  # fmt: skip

_GREEK = {
    f"GREEK {case} LETTER {name.upper()}": f"${command}$"
    for case, names in {
        "SMALL": "alpha beta gamma delta epsilon zeta eta theta iota kappa mu nu xi pi rho sigma tau upsilon phi chi "
        "psi omega",
        "CAPITAL": "gamma delta theta xi pi sigma upsilon phi psi omega",
    }.items()
    for name in names.split()
    for command in [f"\\{name if case == 'SMALL' else name.capitalize()}"]
} | {f"GREEK {case} LETTER LAMDA": f"$\\{name}$" for case, name in {"SMALL": "lambda", "CAPITAL": "Lambda"}.items()}


@cache
def _letter(letter: str) -> str:
    if letter in _SIGNS:
        return _SIGNS[letter]
    if " " <= letter <= "~":
        return letter
    if letter.isspace():
        return " "
    if unicodedata.category(letter) == "Cf":  # joins and directions, which have no shape
        return ""
    return _GREEK.get(unicodedata.name(letter, "")) or _composed(letter) or f"{{[}}U+{ord(letter):04X}{{]}}"


def _composed(letter: str) -> str:
    """Return a letter with one accent, or a raised or lowered digit; empty for others."""
    kind, _, code = unicodedata.decomposition(letter).partition(" ")
    if kind in ("<super>", "<sub>") and " " not in code and (base := chr(int(code, 16))).isascii():
        return f"${'^' if kind == '<super>' else '_'}{{{base}}}$"
    base, accent = (*unicodedata.normalize("NFD", letter), "", "")[:2]
    if len(unicodedata.normalize("NFD", letter)) != 2 or not base.isascii() or accent not in _ACCENTS:
        return ""
    dotless = f"\\{base}" if base in "ij" and accent not in "\u0323\u0327" else base
    return f"\\{_ACCENTS[accent]}{{{dotless}}}"
