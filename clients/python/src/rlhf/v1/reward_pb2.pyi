from rlhf.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ScoreStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SCORE_STATUS_UNSPECIFIED: _ClassVar[ScoreStatus]
    SCORE_STATUS_OK: _ClassVar[ScoreStatus]
    SCORE_STATUS_ERROR: _ClassVar[ScoreStatus]

class ScoreErrorReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SCORE_ERROR_REASON_UNSPECIFIED: _ClassVar[ScoreErrorReason]
    SCORE_ERROR_REASON_TOO_LONG: _ClassVar[ScoreErrorReason]
    SCORE_ERROR_REASON_NOT_FINITE: _ClassVar[ScoreErrorReason]
SCORE_STATUS_UNSPECIFIED: ScoreStatus
SCORE_STATUS_OK: ScoreStatus
SCORE_STATUS_ERROR: ScoreStatus
SCORE_ERROR_REASON_UNSPECIFIED: ScoreErrorReason
SCORE_ERROR_REASON_TOO_LONG: ScoreErrorReason
SCORE_ERROR_REASON_NOT_FINITE: ScoreErrorReason

class ScoreItem(_message.Message):
    __slots__ = ("prompt", "response", "sequence")
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    prompt: _types_pb2.Prompt
    response: _types_pb2.Response
    sequence: str
    def __init__(self, prompt: _Optional[_Union[_types_pb2.Prompt, _Mapping]] = ..., response: _Optional[_Union[_types_pb2.Response, _Mapping]] = ..., sequence: _Optional[str] = ...) -> None: ...

class ScoreRequest(_message.Message):
    __slots__ = ("models", "items", "tokenizer_digest", "request_id", "deterministic")
    MODELS_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    TOKENIZER_DIGEST_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    DETERMINISTIC_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedScalarFieldContainer[str]
    items: _containers.RepeatedCompositeFieldContainer[ScoreItem]
    tokenizer_digest: str
    request_id: str
    deterministic: bool
    def __init__(self, models: _Optional[_Iterable[str]] = ..., items: _Optional[_Iterable[_Union[ScoreItem, _Mapping]]] = ..., tokenizer_digest: _Optional[str] = ..., request_id: _Optional[str] = ..., deterministic: _Optional[bool] = ...) -> None: ...

class Score(_message.Message):
    __slots__ = ("status", "error", "raw", "normalized", "member_scores", "spread", "truncated", "model_versions", "error_reason")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    RAW_FIELD_NUMBER: _ClassVar[int]
    NORMALIZED_FIELD_NUMBER: _ClassVar[int]
    MEMBER_SCORES_FIELD_NUMBER: _ClassVar[int]
    SPREAD_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSIONS_FIELD_NUMBER: _ClassVar[int]
    ERROR_REASON_FIELD_NUMBER: _ClassVar[int]
    status: ScoreStatus
    error: str
    raw: float
    normalized: float
    member_scores: _containers.RepeatedScalarFieldContainer[float]
    spread: float
    truncated: bool
    model_versions: _containers.RepeatedCompositeFieldContainer[_types_pb2.ModelVersion]
    error_reason: ScoreErrorReason
    def __init__(self, status: _Optional[_Union[ScoreStatus, str]] = ..., error: _Optional[str] = ..., raw: _Optional[float] = ..., normalized: _Optional[float] = ..., member_scores: _Optional[_Iterable[float]] = ..., spread: _Optional[float] = ..., truncated: _Optional[bool] = ..., model_versions: _Optional[_Iterable[_Union[_types_pb2.ModelVersion, _Mapping]]] = ..., error_reason: _Optional[_Union[ScoreErrorReason, str]] = ...) -> None: ...

class ScoreResponse(_message.Message):
    __slots__ = ("scores",)
    SCORES_FIELD_NUMBER: _ClassVar[int]
    scores: _containers.RepeatedCompositeFieldContainer[Score]
    def __init__(self, scores: _Optional[_Iterable[_Union[Score, _Mapping]]] = ...) -> None: ...

class RankRequest(_message.Message):
    __slots__ = ("models", "prompt", "responses", "tokenizer_digest", "request_id")
    MODELS_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    RESPONSES_FIELD_NUMBER: _ClassVar[int]
    TOKENIZER_DIGEST_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedScalarFieldContainer[str]
    prompt: _types_pb2.Prompt
    responses: _containers.RepeatedCompositeFieldContainer[_types_pb2.Response]
    tokenizer_digest: str
    request_id: str
    def __init__(self, models: _Optional[_Iterable[str]] = ..., prompt: _Optional[_Union[_types_pb2.Prompt, _Mapping]] = ..., responses: _Optional[_Iterable[_Union[_types_pb2.Response, _Mapping]]] = ..., tokenizer_digest: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class RankedResponse(_message.Message):
    __slots__ = ("index", "score")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    index: int
    score: Score
    def __init__(self, index: _Optional[int] = ..., score: _Optional[_Union[Score, _Mapping]] = ...) -> None: ...

class RankResponse(_message.Message):
    __slots__ = ("ranked",)
    RANKED_FIELD_NUMBER: _ClassVar[int]
    ranked: _containers.RepeatedCompositeFieldContainer[RankedResponse]
    def __init__(self, ranked: _Optional[_Iterable[_Union[RankedResponse, _Mapping]]] = ...) -> None: ...
