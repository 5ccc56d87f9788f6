"""`thinkaloud descriptors`: the contract as a descriptor set, for programs that read one, as Envoy's transcoder does.

It is read from the modules that are in use, so it needs no protoc and is of this very server.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Iterator
from typing import Any

from google.api import annotations_pb2  # type: ignore[import-untyped]  # generated, no stubs
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]  # generated, no stubs

from thinkaloud import v1


def run(arguments: argparse.Namespace) -> int:
    """Write it to standard output. Returns the exit code."""
    files = descriptors()
    if arguments.without_response_body:
        leave_out_response_body(files)
    sys.stdout.buffer.write(files.SerializeToString())
    sys.stdout.buffer.flush()
    return 0


def descriptors() -> FileDescriptorSet:
    """Every file of the contract and what it imports, imports first; and the details of statuses, which no file
    imports and who prints a status needs."""
    names = [f"{v1.__name__}.{module.name}" for module in pkgutil.iter_modules(v1.__path__)]
    roots = [importlib.import_module(name).DESCRIPTOR for name in names if name.endswith("_pb2")]
    files = FileDescriptorSet()
    seen: set[str] = set()
    for root in (*roots, status_pb2.DESCRIPTOR, error_details_pb2.DESCRIPTOR):
        files.file.extend(_with_imports(root, seen))
    return files


def leave_out_response_body(files: FileDescriptorSet) -> None:
    """Envoy's transcoder refuses a contract that names a field as the answer (1.40): it answers with the message."""
    for file in files.file:
        for method in (method for service in file.service for method in service.method):
            if method.options.HasExtension(annotations_pb2.http):
                rule = method.options.Extensions[annotations_pb2.http]
                for each in (rule, *rule.additional_bindings):
                    each.ClearField("response_body")


def _with_imports(file: Any, seen: set[str]) -> Iterator[FileDescriptorProto]:
    if file.name in seen:
        return
    seen.add(file.name)
    for needed in file.dependencies:
        yield from _with_imports(needed, seen)
    proto = FileDescriptorProto()
    file.CopyToProto(proto)
    yield proto
