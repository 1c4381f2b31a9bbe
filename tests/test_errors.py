"""What a message says of valid names."""

from __future__ import annotations

from btcframe.errors import did_you_mean, nearest


def test_the_nearest_name_whatever_its_case() -> None:
    assert nearest("BOOK", ["book", "returns"]) == "book"
    assert nearest("ofi_Z_60", ["OFI_z_60"]) == "OFI_z_60"
    assert nearest("calendar", ["book"]) == ""


def test_a_few_valid_names_are_listed_and_many_are_counted() -> None:
    assert did_you_mean("zzz", ["b", "a"], "model.") == "Valid: model.a, model.b."
    names = [f"column_{i:03d}" for i in range(1000)]
    assert did_you_mean("zzz", names) == f"Valid: {', '.join(names[:40])} and 960 more."
    assert did_you_mean("zzz", []) == ""
