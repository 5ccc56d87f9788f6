"""The comments of a descriptor set, as JSON: one line for each full name, sorted, so that a change is a small diff.

Generated modules hold descriptors without source information (it would be loaded by everyone who imports them), but
who documents a face from the descriptors needs the words. protoc puts them beside the paths of descriptor.proto
(`SourceCodeInfo.Location`); here they come to stand beside the names.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    ServiceDescriptorProto,
)

# What declares -> its lists of what it declares, whose elements all have a name.
NAMED: dict[type, tuple[str, ...]] = {
    FileDescriptorProto: ("message_type", "enum_type", "service", "extension"),
    DescriptorProto: ("field", "nested_type", "enum_type", "oneof_decl", "extension"),
    EnumDescriptorProto: ("value",),
    ServiceDescriptorProto: ("method",),
}

Declared = FileDescriptorProto | DescriptorProto | EnumDescriptorProto | ServiceDescriptorProto


def names(declared: Declared, scope: str, path: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], str]]:
    """The path and the full name of everything that is declared inside."""
    for listed in NAMED.get(type(declared), ()):
        number = declared.DESCRIPTOR.fields_by_name[listed].number
        for index, element in enumerate(getattr(declared, listed)):
            inner = (*path, number, index)
            name = f"{scope}.{element.name}"
            yield inner, name
            yield from names(element, name, inner)


def comments(files: FileDescriptorSet) -> dict[str, str]:
    """What is said above each declaration, or else behind it."""
    said = {}
    for file in files.file:
        named = dict(names(file, file.package))
        for location in file.source_code_info.location:
            words = location.leading_comments or location.trailing_comments
            if words.strip() and (name := named.get(tuple(location.path))):
                said[name] = dedent(words).strip()
    return said


if __name__ == "__main__":
    descriptors = FileDescriptorSet.FromString(Path(sys.argv[1]).read_bytes())
    sys.stdout.write(json.dumps(comments(descriptors), ensure_ascii=False, indent=0, sort_keys=True) + "\n")
