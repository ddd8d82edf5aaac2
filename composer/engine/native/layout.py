"""The structures that go to the compiled step, and what both sides number alike: layout.h in Python."""

from __future__ import annotations

from collections.abc import Iterator
from ctypes import POINTER, Structure, c_char_p, c_float, c_int32, c_int64, c_uint8, c_void_p, sizeof

from composer.engine.anchors import FIELDS
from composer.engine.guards import Pull
from composer.engine.model import BEHIND, DRAWN, GIVEN, HEARD
from composer.music.words import ATTRIBUTES, FAMILY_OF, Family

VERSION = 4  # of the functions
LANES = 64  # columns of a packed group
ORDER = (0, 2, 1, 3)  # of four weights of an output that stand together in int8
MOST_FIELDS = len(FIELDS) + 1  # of the anchors, the style among them
MOST_BARS_BACK, MOST_HINTS, MOST_HEADS = 64, 16, 64
DONE, NO_MEMORY = 0, 1  # what the functions return

Floats, Ints = POINTER(c_float), POINTER(c_int32)


class Matrix(Structure):
    _fields_ = [
        ("weights", c_void_p),
        ("scales", Floats),
        ("bias", Floats),
        ("inputs", c_int32),
        ("outputs", c_int32),
    ]


class Layer(Structure):
    _fields_ = [
        ("queries_keys_values", Matrix),
        ("out", Matrix),
        ("up", Matrix),
        ("down", Matrix),
        ("distance_keys", Matrix),
        ("attention_norm", Floats),
        ("feed_norm", Floats),
        ("content_bias", Floats),
        ("distance_bias", Floats),
    ]


class Stage(Structure):
    _fields_ = [
        ("names", Ints),
        ("given", Floats * len(ATTRIBUTES)),
        ("norm", Floats),
        ("heads", Matrix),
        ("gates", Matrix),
        ("name_count", c_int32),
    ]


class Model(Structure):
    _fields_ = [
        *((name, c_int32) for name in ("dim", "layers", "heads", "kv_heads", "window", "stages", "hints", "lags")),
        *((name, c_int32) for name in ("farthest", "memory")),
        ("sizes", Ints),
        ("lag_bars", Ints),
        ("embeddings", Floats * len(ATTRIBUTES)),
        ("bias", Floats),
        ("anchors", Floats * MOST_FIELDS),
        ("segments", Floats),
        *((name, Floats) for name in ("hint_words", "hint_same", "hint_alike", "hint_distance", "norm", "slopes")),
        ("layer", POINTER(Layer)),
        ("stage", POINTER(Stage)),
        ("mix", Matrix),
        ("norm_epsilon", c_float),
    ]


class Settings(Structure):
    _fields_ = [
        *((name, Floats) for name in ("temperature", "top_p", "pulls", "noise", "trust")),
        *((name, POINTER(c_uint8)) for name in ("warmed", "last")),
        *((name, Ints) for name in ("length", "segment", "following", "anchors", "chords", "roles")),
        *((name, c_int32) for name in ("noise_words", "farthest_spread")),
        *((name, c_float) for name in ("coldest", "warmer", "least_warm", "most_warm")),
        *((name, c_int32) for name in ("places_per_role", "places_per_position", "places_per_bar", "alike_words")),
    ]


class Named(Structure):
    """A line of LAYOUT in layout.h."""

    _fields_ = [("name", c_char_p), ("value", c_int64)]


def layout() -> Iterator[tuple[str, int]]:
    """Every number that a build must have as it is here, and its name in layout.h."""
    yield "version", VERSION
    yield from {
        "LANES": LANES,
        "ATTRIBUTES": len(ATTRIBUTES),
        "FIELDS": MOST_FIELDS,
        "PULLS": len(Pull._fields),
    }.items()
    yield from {"FARTHEST": MOST_BARS_BACK, "HINTS": MOST_HINTS, "HEADS": MOST_HEADS}.items()
    yield from {"DONE": DONE, "NO_MEMORY": NO_MEMORY}.items()
    yield from ((name.upper(), column) for column, name in enumerate(ATTRIBUTES))
    yield from ((family.name, family) for family in Family)
    yield from {"HEARD": HEARD, "GIVEN": GIVEN, "DRAWN": DRAWN, "BEHIND": BEHIND}.items()
    yield from ((f"FAMILY_OF[{name.upper()}]", FAMILY_OF.get(name, Family.IGNORE)) for name in ATTRIBUTES)
    yield from ((f"{name.upper()}_PULL", number) for number, name in enumerate(Pull._fields))
    yield from ((f"PLACE[{number}]", place) for number, place in enumerate(ORDER))
    for structure in (Matrix, Layer, Stage, Model, Settings):
        yield structure.__name__, sizeof(structure)
        for name, *_ in structure._fields_:
            yield f"{structure.__name__}.{name}", getattr(structure, name).offset
