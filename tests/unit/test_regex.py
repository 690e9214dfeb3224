"""RE2's patterns as JavaScript's: what is written, and what is refused. That both match the same is shown by
runtime/src/text/text.test.ts, with what TensorFlow made of the patterns."""

from __future__ import annotations

import pytest

from tfjs_bundle.regex import UntranslatablePatternError, translate


@pytest.mark.parametrize(
    ("pattern", "source"),
    [
        ("abc", "abc"),
        (r"a\.b", r"a\u{2e}b"),
        (r"\s+", r"[\u{9}-\u{a}\u{c}-\u{d}\u{20}]+"),  # without \v, which JavaScript's \s has
        (r"\w", r"[0-9A-Z\u{5f}a-z]"),
        ("(?i)kin", r"[Kk\u{212a}][Ii][Nn]"),
        ("(?s)a.?", r"a[\u{0}-\u{d7ff}\u{e000}-\u{10ffff}]?"),
        ("(?m)^a$", r"(?:^|(?<=\n))a(?:$|(?=\n))"),
        ("(?U)a+b*?", "a+?b*"),
        (r"\Aa|b\z", "^a|b$"),
        (r"\Q.*\E+", r"\u{2e}\u{2a}+"),
        ("(?P<year>[[:digit:]]{4})", "([0-9]{4})"),
        (r"[]\-a]", r"[\u{2d}\u{5d}a]"),
        (r"[a\]-z]", r"[\u{5d}-z]"),
        (r"(?i:a(?-i)b)c", "(?:[Aa]b)c"),
        (r"\x{1F600}\07\x41", r"\u{1f600}\u{7}A"),
        ("a{,3}", r"a\u{7b}\u{2c}3\u{7d}"),
    ],
)
def test_a_pattern_is_written_without_flags_and_with_every_class_spelt_out(pattern, source):
    assert translate(pattern) == source


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        (r"\C", "matches a byte, not a character"),
        (r"\B", "between the bytes of one character"),
        (r"\p{Greek}+", "depends on the version of Unicode"),
        (r"(?i)é", "depends on the version of Unicode"),
        ("(a*)+", "something that may be empty is repeated"),
        ("(?:|a)?", "something that may be empty is repeated"),
        ("a**", "a repetition is repeated"),
        ("(?=a)", "'(?=a' is not known"),
        (r"\1", r"'\\1' is not known"),
        ("[a", "a bracket is missing"),
        ("(a", "a parenthesis is missing"),
        ("a)", "a parenthesis too many"),
        ("[[:foo:]]", "[:foo:] is not known"),
        ("*a", "nothing for * to repeat"),
    ],
)
def test_what_would_match_otherwise_in_a_browser_is_refused_with_the_reason(pattern, reason):
    with pytest.raises(UntranslatablePatternError) as refusal:
        translate(pattern)
    assert reason in str(refusal.value)
    assert repr(pattern) in str(refusal.value)


def test_groups_that_a_loop_may_leave_out_are_refused_only_where_the_replacement_wants_them():
    assert translate("(?:(a)|b)+") == "(?:(a)|b)+"
    assert translate("(?:(a)b)+", r"\1") == "(?:(a)b)+"
    for pattern in ("(?:(a)|b)+", "(?:(a)?b)*", "(?:(a){0,2}b){2}"):
        with pytest.raises(UntranslatablePatternError, match="not in every round of a repetition"):
            translate(pattern, r"<\1>")


@pytest.mark.parametrize(
    ("rewrite", "reason"),
    [
        (r"\2", r"wants group 2, of which the pattern '\(a\)' has 1"),
        (r"\n", "backslash"),
        ("\\", "backslash"),
    ],
)
def test_replacements_that_re2_does_not_take_are_refused(rewrite, reason):
    with pytest.raises(UntranslatablePatternError, match=reason):
        translate("(a)", rewrite)


def test_unicode_classes_are_taken_from_whoever_knows_them():
    asked = []

    def expand(name):
        asked.append(name)
        return [(0x61, 0x61), (0x62, 0x63), (0xD7FF, 0xE000)]

    assert translate(r"(?i)[^\pL]", expand=expand) == r"[\u{0}-\u{60}d-\u{d7fe}\u{e001}-\u{10ffff}]"
    assert asked == [r"(?i:\pL)"]
