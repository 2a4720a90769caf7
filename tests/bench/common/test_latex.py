"""Letters in LaTeX: those that only another writer's macros name, and all that no engine may take for a command."""

import re
import unicodedata

import pytest

from bench.common.latex import latex_escaped

HOSTILE = (
    "a$_{$b", "100 %", r"\input{x}", "^^41", "#1 & #2", "~", "[/b]", "*[3]", "{", "}}", r"\\", "x\ny\tz", "=1+1", "--",
    "``''", "?`", "<script>", "木", "🙂", "\udcff", "\x00\x1b", "e\u0301", "\u202eabc", "σ × ± ² ₂ Ω",
    "Łódź Ærø ą Việt",
)  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_is_left_that_latex_acts_on(text):
    made = latex_escaped(text)
    assert made.isascii()
    assert made.isprintable()
    without = re.sub(r"\\([a-zA-Z]+|.)", "", made.replace(r"\{", "").replace(r"\}", ""))
    assert not re.search(r"[%#&~\\]|--|``|''", without.replace("{}", "\0"))
    assert without.count("{") == without.count("}")
    # What is left of _ and ^ stands in mathematics.
    assert not re.search(r"[_^]", re.sub(r"\$[^$]*\$", "", without))
    assert not re.match(r"[\[*]", made)


def test_letters_that_books_on_latex_name():
    named = {
        "ä": r"\"{a}", "é": r"\'{e}", "ñ": r"\~{n}", "ç": r"\c{c}", "å": r"\r{a}", "ř": r"\v{r}", "ő": r"\H{o}",
        "ï": r"\"{\i}", "ß": r"\ss{}", "ø": r"\o{}", "σ": r"$\sigma$", "Δ": r"$\Delta$", "λ": r"$\lambda$",
        "±": r"$\pm$", "×": r"$\times$", "–": r"\textendash{}", "²": "$^{2}$", "\u00a0": " ",
        "a\u0308": r"\"{a}",
    }  # fmt: skip
    assert {letter: latex_escaped(letter) for letter in named} == named


def test_a_letter_without_command_is_told_from_all_others():
    made = {latex_escaped(chr(code)) for code in range(0x4E00, 0x4E80)}
    assert len(made) == 0x80
    assert latex_escaped("木") == f"{{[}}U+{ord('木'):04X}{{]}}"
    assert unicodedata.name("🙂") == "SLIGHTLY SMILING FACE"
    assert latex_escaped("🙂") == "{[}U+1F642{]}"
