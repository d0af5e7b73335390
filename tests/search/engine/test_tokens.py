import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.engine.tokens import INSIDE, LONGEST, WORD, terms, written


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Café NAÏVE", ["cafe", "naive"]),
        ("Straße Ærø łódź", ["strass", "aero", "lodz"]),
        ("ﬁne ＡＢＣ", ["fine", "abc"]),
        ("東京都", ["東", "京", "都", "東京", "京都"]),
        ("GPT猫", ["gpt", "猫"]),
        ("कि कु", ["कि", "कु"]),
        ("parse_http_response", ["parse_http_response", "parse", "http", "response"]),
        ("parseHTTPResponse", ["parsehttpresponse", "parse", "http", "response"]),
        ("__init__", ["init"]),
        ("MP4 v2.13", ["mp4", "v2", "13"]),
        ("ships ladies classes status class gas", ["ship", "lady", "class", "status", "class", "gas"]),
        ("box boxes cache caches size sizes", ["box", "box", "cach", "cach", "siz", "siz"]),
        ("the white whale's", ["the", "white", "whale", "s"]),
        ("🚀 -- !?", ["🚀"]),
        ("... _ ¿?", []),
    ],
)
def test_terms(text, expected):
    assert terms(text) == expected


@settings(deadline=None)
@given(st.text())
def test_any_text_gives_sound_terms(text):
    for term in terms(text):
        assert term and len(term) <= LONGEST and "\n" not in term


@settings(deadline=None)
@given(st.text(alphabet="aeéüçnos ", max_size=30))
def test_composed_and_decomposed_accents_are_the_same(text):
    assert terms(text) == terms(unicodedata.normalize("NFD", text))


@given(st.text(alphabet="aZ9_ -.'\n\x1c\x00“”‘’—–…é\u0301猫🚀", max_size=40))
def test_the_short_way_finds_the_same_words(text):
    assert written(text) == WORD.findall(text)


def test_every_combining_mark_is_inside_a_word_and_their_pattern_is_short():
    marks = [letter for letter in map(chr, range(0x300, 0x10000)) if unicodedata.category(letter)[0] == "M"]
    assert all(WORD.fullmatch(f"a{mark}b") for mark in marks)
    between = [
        letter for letter in map(chr, range(0x80, 0x10000)) if unicodedata.category(letter) in ("Pd", "Po", "Zs")
    ]
    assert not any(WORD.fullmatch(f"a{letter}b") for letter in between)
    assert len(INSIDE) < len(marks)
