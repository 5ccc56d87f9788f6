"""[uploads]: how large a file may be, how many of them a tenant may keep, and for how long."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

_MIB = 1024 * 1024
# The contract tells sizes in 32 bits.
_BYTES_MAX = 2**31 - 1


class UploadsSection(BaseModel):
    """`bytes_max` is of one file, which must have come within `transfer_s`."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    bytes_max: Annotated[int, Field(ge=1, le=_BYTES_MAX)] = 20 * _MIB
    transfer_s: Annotated[float, Field(gt=0, le=86_400)] = 600.0
    retention_h: Annotated[float, Field(gt=0)] = 168.0
    tenant_files_max: Annotated[int, Field(ge=1)] = 1_000
    tenant_bytes_max: Annotated[int, Field(ge=1)] = 1024 * _MIB
