"""A contract of somebody else: the services of vectors/openapi/boats.proto, compiled when a test asks for them."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import grpc_tools  # type: ignore[import-untyped]  # no stubs
from google.api import annotations_pb2  # type: ignore[import-untyped]  # generated, no stubs
from google.protobuf.descriptor import Descriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_tools import protoc

from thinkaloud_server.web.openapi.comment import Comments

_HERE = Path(__file__).parents[1]
_ROOT = _HERE.parent


@cache
def _files() -> FileDescriptorSet:
    proto = _HERE / "vectors" / "openapi" / "boats.proto"
    includes = [proto.parent, _ROOT / "proto", Path(annotations_pb2.__file__).parents[2]]
    includes.append(Path(grpc_tools.__file__).parent / "_proto")
    with TemporaryDirectory() as folder:
        out = Path(folder) / "descriptors"
        options = [*(f"-I{each}" for each in includes), "--include_imports", "--include_source_info"]
        assert protoc.main(["protoc", *options, f"--descriptor_set_out={out}", proto.name]) == 0
        return FileDescriptorSet.FromString(out.read_bytes())


@cache
def _pool() -> DescriptorPool:
    pool = DescriptorPool()
    for file in _files().file:
        pool.Add(file)
    return pool


def boat_service() -> ServiceDescriptor:
    """BoatService."""
    return _pool().FindServiceByName("boats.v1.BoatService")


def boat_message(name: str) -> Descriptor:
    """A message of boats.v1."""
    return _pool().FindMessageTypeByName(f"boats.v1.{name}")


@cache
def boat_comments() -> Comments:
    """What its comments say, by the script that writes those of the contract."""
    spec = importlib.util.spec_from_file_location("comments", _ROOT / "scripts" / "contract" / "comments.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return Comments(script.comments(_files()))
