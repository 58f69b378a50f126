"""The habits that hold over all rooms and that `buf lint` does not know (https://google.aip.dev)."""

from __future__ import annotations

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor

from tests.contract.contract import comments, inputs, methods, rules

STARTING = ("Create", "Parse", "Import", "Start")


def name_of(method: MethodDescriptor) -> str:
    return str(method.full_name)


def field_names(message: Descriptor) -> set[str]:
    return {field.name for field in message.fields}


def is_id(field: FieldDescriptor) -> bool:
    return field.name in {"id", "ids"} or field.name.endswith(("_id", "_ids"))


def uuid_is_checked(field: FieldDescriptor) -> bool:
    found = rules(field)
    return found.repeated.items.string.uuid if field.is_repeated else found.string.uuid


@pytest.mark.parametrize("method", methods("List"), ids=name_of)
def test_a_list_is_paged(method: MethodDescriptor) -> None:
    assert field_names(method.input_type) >= {"page_size", "page_token"}
    assert "next_page_token" in field_names(method.output_type)


@pytest.mark.parametrize("method", methods(*STARTING), ids=name_of)
def test_a_create_or_start_can_be_repeated(method: MethodDescriptor) -> None:
    assert "request_id" in field_names(method.input_type)


@pytest.mark.parametrize("method", methods(), ids=name_of)
def test_every_id_that_a_caller_gives_is_checked(method: MethodDescriptor) -> None:
    unchecked = [
        field.full_name for field in inputs(method.input_type) if is_id(field) and not uuid_is_checked(field)
    ]
    assert unchecked == []


@pytest.mark.parametrize("method", methods(), ids=name_of)
def test_every_request_field_says_whether_it_is_required(method: MethodDescriptor) -> None:
    silent = [
        field.full_name
        for field in method.input_type.fields
        if not comments()[field.full_name].startswith(("REQUIRED. ", "OPTIONAL. "))
    ]
    assert silent == []


def test_there_are_rpcs_to_hold_to_these_habits() -> None:
    assert len(methods("List")) > 10
    assert len(methods(*STARTING)) > 5
