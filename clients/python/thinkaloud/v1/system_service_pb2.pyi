import datetime

from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from thinkaloud.v1 import access_pb2 as _access_pb2
from thinkaloud.v1 import http_status_pb2 as _http_status_pb2
from thinkaloud.v1 import message_pb2 as _message_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetHealthRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetHealthResponse(_message.Message):
    __slots__ = ("status", "timestamp", "uptime", "resource_usage", "agent_capacity", "performance_metrics", "components")
    class ComponentsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    STATUS_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    UPTIME_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_USAGE_FIELD_NUMBER: _ClassVar[int]
    AGENT_CAPACITY_FIELD_NUMBER: _ClassVar[int]
    PERFORMANCE_METRICS_FIELD_NUMBER: _ClassVar[int]
    COMPONENTS_FIELD_NUMBER: _ClassVar[int]
    status: str
    timestamp: _timestamp_pb2.Timestamp
    uptime: float
    resource_usage: ResourceUsage
    agent_capacity: AgentCapacity
    performance_metrics: PerformanceMetrics
    components: _containers.ScalarMap[str, str]
    def __init__(self, status: _Optional[str] = ..., timestamp: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., uptime: _Optional[float] = ..., resource_usage: _Optional[_Union[ResourceUsage, _Mapping]] = ..., agent_capacity: _Optional[_Union[AgentCapacity, _Mapping]] = ..., performance_metrics: _Optional[_Union[PerformanceMetrics, _Mapping]] = ..., components: _Optional[_Mapping[str, str]] = ...) -> None: ...

class ResourceUsage(_message.Message):
    __slots__ = ("memory_bytes", "cpu_s", "open_files")
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    CPU_S_FIELD_NUMBER: _ClassVar[int]
    OPEN_FILES_FIELD_NUMBER: _ClassVar[int]
    memory_bytes: float
    cpu_s: float
    open_files: int
    def __init__(self, memory_bytes: _Optional[float] = ..., cpu_s: _Optional[float] = ..., open_files: _Optional[int] = ...) -> None: ...

class AgentCapacity(_message.Message):
    __slots__ = ("max", "active", "available", "utilization")
    MAX_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    UTILIZATION_FIELD_NUMBER: _ClassVar[int]
    max: int
    active: int
    available: int
    utilization: float
    def __init__(self, max: _Optional[int] = ..., active: _Optional[int] = ..., available: _Optional[int] = ..., utilization: _Optional[float] = ...) -> None: ...

class PerformanceMetrics(_message.Message):
    __slots__ = ("runs_total", "runs_failed", "first_token_ms", "commit_ms")
    RUNS_TOTAL_FIELD_NUMBER: _ClassVar[int]
    RUNS_FAILED_FIELD_NUMBER: _ClassVar[int]
    FIRST_TOKEN_MS_FIELD_NUMBER: _ClassVar[int]
    COMMIT_MS_FIELD_NUMBER: _ClassVar[int]
    runs_total: float
    runs_failed: float
    first_token_ms: float
    commit_ms: float
    def __init__(self, runs_total: _Optional[float] = ..., runs_failed: _Optional[float] = ..., first_token_ms: _Optional[float] = ..., commit_ms: _Optional[float] = ...) -> None: ...

class GetInfoRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetInfoResponse(_message.Message):
    __slots__ = ("name", "version", "api_version", "current_model", "providers", "store")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    API_VERSION_FIELD_NUMBER: _ClassVar[int]
    CURRENT_MODEL_FIELD_NUMBER: _ClassVar[int]
    PROVIDERS_FIELD_NUMBER: _ClassVar[int]
    STORE_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: str
    api_version: str
    current_model: str
    providers: _containers.RepeatedCompositeFieldContainer[ProviderInfo]
    store: str
    def __init__(self, name: _Optional[str] = ..., version: _Optional[str] = ..., api_version: _Optional[str] = ..., current_model: _Optional[str] = ..., providers: _Optional[_Iterable[_Union[ProviderInfo, _Mapping]]] = ..., store: _Optional[str] = ...) -> None: ...

class ProviderInfo(_message.Message):
    __slots__ = ("name", "dialect", "base_url")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DIALECT_FIELD_NUMBER: _ClassVar[int]
    BASE_URL_FIELD_NUMBER: _ClassVar[int]
    name: str
    dialect: str
    base_url: str
    def __init__(self, name: _Optional[str] = ..., dialect: _Optional[str] = ..., base_url: _Optional[str] = ...) -> None: ...

class GetStatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetStatusResponse(_message.Message):
    __slots__ = ("status", "streaming_active", "live_runs", "watchers", "timestamp")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    STREAMING_ACTIVE_FIELD_NUMBER: _ClassVar[int]
    LIVE_RUNS_FIELD_NUMBER: _ClassVar[int]
    WATCHERS_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    status: str
    streaming_active: bool
    live_runs: int
    watchers: int
    timestamp: _timestamp_pb2.Timestamp
    def __init__(self, status: _Optional[str] = ..., streaming_active: bool = ..., live_runs: _Optional[int] = ..., watchers: _Optional[int] = ..., timestamp: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class GetCapabilitiesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetCapabilitiesResponse(_message.Message):
    __slots__ = ("capabilities", "current_model", "api_version", "version", "limits")
    class CapabilitiesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: bool
        def __init__(self, key: _Optional[str] = ..., value: bool = ...) -> None: ...
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    CURRENT_MODEL_FIELD_NUMBER: _ClassVar[int]
    API_VERSION_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    capabilities: _containers.ScalarMap[str, bool]
    current_model: str
    api_version: str
    version: str
    limits: Limits
    def __init__(self, capabilities: _Optional[_Mapping[str, bool]] = ..., current_model: _Optional[str] = ..., api_version: _Optional[str] = ..., version: _Optional[str] = ..., limits: _Optional[_Union[Limits, _Mapping]] = ...) -> None: ...

class Limits(_message.Message):
    __slots__ = ("text_chars", "request_bytes", "websocket_message_bytes", "image_bytes", "upload_bytes", "max_iterations", "run_s", "batch_requests", "websocket_idle_s", "output_tokens")
    TEXT_CHARS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_BYTES_FIELD_NUMBER: _ClassVar[int]
    WEBSOCKET_MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    IMAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    UPLOAD_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_ITERATIONS_FIELD_NUMBER: _ClassVar[int]
    RUN_S_FIELD_NUMBER: _ClassVar[int]
    BATCH_REQUESTS_FIELD_NUMBER: _ClassVar[int]
    WEBSOCKET_IDLE_S_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    text_chars: int
    request_bytes: int
    websocket_message_bytes: int
    image_bytes: int
    upload_bytes: int
    max_iterations: int
    run_s: int
    batch_requests: int
    websocket_idle_s: float
    output_tokens: int
    def __init__(self, text_chars: _Optional[int] = ..., request_bytes: _Optional[int] = ..., websocket_message_bytes: _Optional[int] = ..., image_bytes: _Optional[int] = ..., upload_bytes: _Optional[int] = ..., max_iterations: _Optional[int] = ..., run_s: _Optional[int] = ..., batch_requests: _Optional[int] = ..., websocket_idle_s: _Optional[float] = ..., output_tokens: _Optional[int] = ...) -> None: ...

class GetTokenUsageRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetTokenUsageResponse(_message.Message):
    __slots__ = ("total", "models", "last", "budget")
    class ModelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: TokenTotals
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[TokenTotals, _Mapping]] = ...) -> None: ...
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    total: TokenTotals
    models: _containers.MessageMap[str, TokenTotals]
    last: _message_pb2.Usage
    budget: KeyBudget
    def __init__(self, total: _Optional[_Union[TokenTotals, _Mapping]] = ..., models: _Optional[_Mapping[str, TokenTotals]] = ..., last: _Optional[_Union[_message_pb2.Usage, _Mapping]] = ..., budget: _Optional[_Union[KeyBudget, _Mapping]] = ...) -> None: ...

class KeyBudget(_message.Message):
    __slots__ = ("tokens_per_day", "tokens_today", "cost_usd_per_day", "cost_usd_today", "resets_at")
    TOKENS_PER_DAY_FIELD_NUMBER: _ClassVar[int]
    TOKENS_TODAY_FIELD_NUMBER: _ClassVar[int]
    COST_USD_PER_DAY_FIELD_NUMBER: _ClassVar[int]
    COST_USD_TODAY_FIELD_NUMBER: _ClassVar[int]
    RESETS_AT_FIELD_NUMBER: _ClassVar[int]
    tokens_per_day: float
    tokens_today: float
    cost_usd_per_day: float
    cost_usd_today: float
    resets_at: _timestamp_pb2.Timestamp
    def __init__(self, tokens_per_day: _Optional[float] = ..., tokens_today: _Optional[float] = ..., cost_usd_per_day: _Optional[float] = ..., cost_usd_today: _Optional[float] = ..., resets_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class TokenTotals(_message.Message):
    __slots__ = ("runs", "input", "output", "reasoning", "cached", "cost_usd")
    RUNS_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    REASONING_FIELD_NUMBER: _ClassVar[int]
    CACHED_FIELD_NUMBER: _ClassVar[int]
    COST_USD_FIELD_NUMBER: _ClassVar[int]
    runs: float
    input: float
    output: float
    reasoning: float
    cached: float
    cost_usd: float
    def __init__(self, runs: _Optional[float] = ..., input: _Optional[float] = ..., output: _Optional[float] = ..., reasoning: _Optional[float] = ..., cached: _Optional[float] = ..., cost_usd: _Optional[float] = ...) -> None: ...
