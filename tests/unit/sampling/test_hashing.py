from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taumltools.sampling.hashing import hash_name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("", 6142509188972423790),
        ("a", 4993892634952068459),
        ("DY", 10918959937480734963),
        ("TT", 10229932817631443077),
        ("QCD", 9072256947540860514),
        ("DYJetsToLL_M-50", 1284503315845609763),
        ("TTToHadronic", 13234330934679158034),
        ("WJetsToLNu", 4355774892516996420),
        ("tau", 6604295591324514788),
        ("Zprime_e", 5892584894037048799),
    ],
)
def test_values_of_libstdcxx(name, value):
    assert hash_name(name) == value


@given(st.text(max_size=40))
def test_any_name_gives_64_bits(name):
    assert 0 <= hash_name(name) < 2**64
    assert hash_name(name) == hash_name(name)


def test_names_that_differ_in_one_byte_differ():
    names = [f"dataset_{i:05d}" for i in range(5000)]
    assert len({hash_name(name) for name in names}) == 5000
