"""The protos with their comments, as descriptors."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import Descriptor, FieldDescriptor, FileDescriptor, MethodDescriptor

from buf.validate import validate_pb2
from tests.contract.client_programs import own_protos, protoc

# Numbers of fields in google/protobuf/descriptor.proto, of which the paths of comments are made.
MESSAGE_TYPE = 4
FIELD = 2


@cache
def file_set() -> descriptor_pb2.FileDescriptorSet:
    """Our protos and all that they import, with comments."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "set"
        protoc(f"--descriptor_set_out={path}", "--include_imports", "--include_source_info", *own_protos())
        return descriptor_pb2.FileDescriptorSet.FromString(path.read_bytes())


@cache
def files() -> list[FileDescriptor]:
    """Our proto files."""
    pool = descriptor_pool.DescriptorPool()
    for file in file_set().file:
        pool.Add(file)
    return [pool.FindFileByName(name) for name in own_protos()]


def methods(*verbs: str) -> list[MethodDescriptor]:
    """The rpcs of all services whose names begin with one of the verbs; all of them without verbs."""
    return [
        method
        for file in files()
        for service in file.services_by_name.values()
        for method in service.methods
        if not verbs or method.name.startswith(verbs)
    ]


@cache
def comments() -> dict[str, str]:
    """The comment above each field, by its full name."""
    found: dict[str, str] = {}
    for file in file_set().file:
        for location in file.source_code_info.location:
            path = list(location.path)
            if len(path) == 4 and path[0] == MESSAGE_TYPE and path[2] == FIELD:
                message = file.message_type[path[1]]
                name = f"{file.package}.{message.name}.{message.field[path[3]].name}"
                found[name] = location.leading_comments.strip()
    return found


def is_output_only(field: FieldDescriptor) -> bool:
    """Whether the field's comment says that callers do not set it."""
    return "OUTPUT_ONLY" in comments()[field.full_name]


def inputs(message: Descriptor) -> Iterator[FieldDescriptor]:
    """Every field that a caller may set in a message and in the messages inside it."""
    seen: set[str] = set()
    waiting = [message]
    while waiting:
        message = waiting.pop()
        if message.full_name in seen or not message.full_name.startswith("sishu."):
            continue
        seen.add(message.full_name)
        for field in message.fields:
            if is_output_only(field):
                continue
            yield field
            if field.message_type is not None and not field.message_type.GetOptions().map_entry:
                waiting.append(field.message_type)


def rules(field: FieldDescriptor) -> validate_pb2.FieldRules:
    """The field's validation rules."""
    options = descriptor_pb2.FieldOptions.FromString(field.GetOptions().SerializeToString())
    return options.Extensions[validate_pb2.field]
