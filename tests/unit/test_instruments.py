"""Instruments by the names that people type."""

from __future__ import annotations

import pytest

from composer.errors import SettingsError
from composer.rendering.instruments import INSTRUMENTS, NICKNAMES, program_of


def test_every_instrument_is_found_by_its_own_name() -> None:
    assert len(set(INSTRUMENTS)) == 128
    assert [program_of(name) for name in INSTRUMENTS] == list(range(128))


@pytest.mark.parametrize(
    ("program", "name"),
    [  # from the table of the General MIDI Level 1 standard, there counted from 1
        (0, "Acoustic Grand Piano"),
        (7, "Clavinet"),
        (8, "Celesta"),
        (16, "Drawbar Organ"),
        (23, "Tango Accordion"),
        (32, "Acoustic Bass"),
        (40, "Violin"),
        (41, "Viola"),
        (42, "Cello"),
        (43, "Contrabass"),
        (47, "Timpani"),
        (55, "Orchestra Hit"),
        (56, "Trumpet"),
        (71, "Clarinet"),
        (73, "Flute"),
        (79, "Ocarina"),
        (95, "Sweep Pad"),
        (104, "Sitar"),
        (111, "Shanai"),
        (119, "Reverse Cymbal"),
        (127, "Gunshot"),
    ],
)
def test_programs_are_numbered_as_in_the_standard(program: int, name: str) -> None:
    assert program_of(name) == program


@pytest.mark.parametrize(
    ("typed", "program"),
    [
        ("violin", 40),
        ("VIOLIN", 40),
        ("  acoustic  grand piano ", 0),
        ("piano", 0),
        ("Piano!", 0),
        ("honky tonk", 3),
        ("Honky-Tonk", 3),
        ("strings", 48),
        ("harp", 46),
        ("guitar", 24),
        ("sax", 65),
        ("vibra", 11),
        ("pan flute", 75),
        ("sci fi", 103),
    ],
)
def test_typing_is_forgiven(typed: str, program: int) -> None:
    assert program_of(typed) == program


def test_every_nickname_means_an_instrument() -> None:
    for nickname, instrument in NICKNAMES.items():
        assert INSTRUMENTS[program_of(nickname)] == instrument


@pytest.mark.parametrize(
    ("typed", "suggested"),
    [("violn", "Violin"), ("trompet", "Trumpet"), ("acustic grand pino", "Acoustic Grand Piano"), ("celo", "Cello")],
)
def test_a_misspelling_gets_a_suggestion(typed: str, suggested: str) -> None:
    with pytest.raises(SettingsError, match=rf'There is no instrument "{typed}"\. Did you mean .*{suggested}'):
        program_of(typed)


def test_a_part_of_several_names_gets_them_suggested() -> None:
    with pytest.raises(SettingsError, match=r"Did you mean Steel String Guitar or Steel Drums\?"):
        program_of("steel")


@pytest.mark.parametrize("typed", ["", "   ", "!?", "xqzw", "月"])
def test_nonsense_is_told_what_a_name_looks_like(typed: str) -> None:
    with pytest.raises(SettingsError, match="Take a General MIDI name, such as Acoustic Grand Piano"):
        program_of(typed)


def test_a_very_long_name_does_not_make_a_very_long_sentence() -> None:
    with pytest.raises(SettingsError) as raised:
        program_of("violin " * 10_000)
    assert len(str(raised.value)) < 250
