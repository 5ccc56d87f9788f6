"""The contract as a descriptor set: whole by itself, options included."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from google.api import annotations_pb2  # type: ignore[import-untyped]  # generated, no stubs
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool

from fakes.served import COMMAND_S, command, environment
from thinkaloud_server.app.cli_descriptors import descriptors, leave_out_response_body
from thinkaloud_server.web.route import holds_socket, services_of_contract


def pool() -> DescriptorPool:
    """Nothing but the set; a file before what it imports would be refused."""
    made = DescriptorPool()
    for file in descriptors().file:
        made.Add(file)
    return made


def test_every_service_is_in_it_with_its_routes() -> None:
    for service in services_of_contract():
        found = pool().FindServiceByName(service.full_name)
        assert [method.name for method in found.methods] == [method.name for method in service.methods]
        for method in (method for method in found.methods if not holds_socket(method)):
            assert method.GetOptions().Extensions[annotations_pb2.http].WhichOneof("pattern")


def test_the_details_of_statuses_are_in_it() -> None:
    for name in ("Status", "ErrorInfo", "BadRequest", "RetryInfo", "RequestInfo"):
        assert pool().FindMessageTypeByName(f"google.rpc.{name}")


def test_no_file_is_in_it_twice() -> None:
    names = [file.name for file in descriptors().file]
    assert len(names) == len(set(names))


def rules(files: FileDescriptorSet) -> list[Any]:
    """Every binding of every method."""
    methods = [method for file in files.file for service in file.service for method in service.method]
    first = [method.options.Extensions[annotations_pb2.http] for method in methods]
    return [rule for each in first for rule in (each, *each.additional_bindings)]


def test_what_envoy_does_not_take_can_be_left_out_and_nothing_else() -> None:
    files = descriptors()
    leave_out_response_body(files)
    left, whole = rules(files), rules(descriptors())
    assert {rule.response_body for rule in left} == {""} != {rule.response_body for rule in whole}
    assert [(rule.WhichOneof("pattern"), rule.body) for rule in left] == [
        (rule.WhichOneof("pattern"), rule.body) for rule in whole
    ]


def test_the_command_writes_the_set(tmp_path: Path) -> None:
    done = subprocess.run(
        command("descriptors"), capture_output=True, timeout=COMMAND_S, env=environment(tmp_path), check=True
    )
    assert FileDescriptorSet.FromString(done.stdout) == descriptors()
    assert done.stderr == b""
