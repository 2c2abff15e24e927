from typing import Any

import pytest
from pydantic import ValidationError

from emofuse.features import EncoderIdentity

FIELDS: dict[str, Any] = {
    "modality": "text",
    "kind": "hf-text",
    "name": "bert",
    "revision": "abc",
    "pooling": "mean",
    "dim": 8,
    "sampling": {"max_length": 32, "dtype": "float32"},
}


def test_digest_is_the_same_on_every_machine_and_in_every_order_of_settings():
    swapped = {**FIELDS, "sampling": {"dtype": "float32", "max_length": 32}}
    assert EncoderIdentity(**FIELDS).digest == EncoderIdentity(**swapped).digest == "6945c32a617537b4"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("modality", "audio"),
        ("kind", "hf-speech"),
        ("name", "roberta"),
        ("revision", "abd"),
        ("pooling", "cls"),
        ("dim", 9),
        ("sampling", {"max_length": 33, "dtype": "float32"}),
        ("sampling", {"max_length": 32, "dtype": "bfloat16"}),
        ("sampling", {"max_length": 32}),
    ],
)
def test_digest_differs_with_every_field(field, value):
    assert EncoderIdentity(**{**FIELDS, field: value}).digest != EncoderIdentity(**FIELDS).digest


def test_survives_json_and_cannot_be_changed():
    identity = EncoderIdentity(**{**FIELDS, "sampling": {"max_seconds": 30.0, "rate": 16000}})
    again = EncoderIdentity.model_validate_json(identity.model_dump_json())
    assert again == identity
    assert again.digest == identity.digest
    with pytest.raises(ValidationError):
        identity.dim = 3


def test_unknown_fields_are_refused():
    with pytest.raises(ValidationError):
        EncoderIdentity(**FIELDS, layer=3)
