import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from rlhf.v1 import catalog_pb2 as _catalog_pb2
from rlhf.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CampaignKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CAMPAIGN_KIND_UNSPECIFIED: _ClassVar[CampaignKind]
    CAMPAIGN_KIND_COMPARISON: _ClassVar[CampaignKind]
    CAMPAIGN_KIND_RANKING: _ClassVar[CampaignKind]
    CAMPAIGN_KIND_DEMONSTRATION: _ClassVar[CampaignKind]

class CampaignState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CAMPAIGN_STATE_UNSPECIFIED: _ClassVar[CampaignState]
    CAMPAIGN_STATE_PREPARING: _ClassVar[CampaignState]
    CAMPAIGN_STATE_OPEN: _ClassVar[CampaignState]
    CAMPAIGN_STATE_CLOSED: _ClassVar[CampaignState]
    CAMPAIGN_STATE_FAILED: _ClassVar[CampaignState]

class PairSelection(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PAIR_SELECTION_UNSPECIFIED: _ClassVar[PairSelection]
    PAIR_SELECTION_RANDOM: _ClassVar[PairSelection]
    PAIR_SELECTION_UNCERTAINTY: _ClassVar[PairSelection]

class ImportKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    IMPORT_KIND_UNSPECIFIED: _ClassVar[ImportKind]
    IMPORT_KIND_ITEMS: _ClassVar[ImportKind]
    IMPORT_KIND_GOLD: _ClassVar[ImportKind]
    IMPORT_KIND_JUDGEMENTS: _ClassVar[ImportKind]

class NothingLeft(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    NOTHING_LEFT_UNSPECIFIED: _ClassVar[NothingLeft]
    NOTHING_LEFT_DONE: _ClassVar[NothingLeft]
    NOTHING_LEFT_WAITING: _ClassVar[NothingLeft]
    NOTHING_LEFT_PREPARING: _ClassVar[NothingLeft]
    NOTHING_LEFT_CLOSED: _ClassVar[NothingLeft]

class Choice(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CHOICE_UNSPECIFIED: _ClassVar[Choice]
    CHOICE_FIRST: _ClassVar[Choice]
    CHOICE_SECOND: _ClassVar[Choice]
    CHOICE_TIE: _ClassVar[Choice]
    CHOICE_BOTH_BAD: _ClassVar[Choice]

class ExportKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EXPORT_KIND_UNSPECIFIED: _ClassVar[ExportKind]
    EXPORT_KIND_COMPARISONS: _ClassVar[ExportKind]
    EXPORT_KIND_DEMONSTRATIONS: _ClassVar[ExportKind]
    EXPORT_KIND_JUDGEMENTS: _ClassVar[ExportKind]

class Aggregation(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    AGGREGATION_UNSPECIFIED: _ClassVar[Aggregation]
    AGGREGATION_RELIABILITY: _ClassVar[Aggregation]
    AGGREGATION_MAJORITY: _ClassVar[Aggregation]
    AGGREGATION_VOTES: _ClassVar[Aggregation]

class PreferenceFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PREFERENCE_FORMAT_UNSPECIFIED: _ClassVar[PreferenceFormat]
    PREFERENCE_FORMAT_TRL: _ClassVar[PreferenceFormat]
    PREFERENCE_FORMAT_OPENAI: _ClassVar[PreferenceFormat]
    PREFERENCE_FORMAT_HELPSTEER3: _ClassVar[PreferenceFormat]
    PREFERENCE_FORMAT_LABEL_STUDIO: _ClassVar[PreferenceFormat]

class FileFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FILE_FORMAT_UNSPECIFIED: _ClassVar[FileFormat]
    FILE_FORMAT_JSONL: _ClassVar[FileFormat]
    FILE_FORMAT_PARQUET: _ClassVar[FileFormat]
CAMPAIGN_KIND_UNSPECIFIED: CampaignKind
CAMPAIGN_KIND_COMPARISON: CampaignKind
CAMPAIGN_KIND_RANKING: CampaignKind
CAMPAIGN_KIND_DEMONSTRATION: CampaignKind
CAMPAIGN_STATE_UNSPECIFIED: CampaignState
CAMPAIGN_STATE_PREPARING: CampaignState
CAMPAIGN_STATE_OPEN: CampaignState
CAMPAIGN_STATE_CLOSED: CampaignState
CAMPAIGN_STATE_FAILED: CampaignState
PAIR_SELECTION_UNSPECIFIED: PairSelection
PAIR_SELECTION_RANDOM: PairSelection
PAIR_SELECTION_UNCERTAINTY: PairSelection
IMPORT_KIND_UNSPECIFIED: ImportKind
IMPORT_KIND_ITEMS: ImportKind
IMPORT_KIND_GOLD: ImportKind
IMPORT_KIND_JUDGEMENTS: ImportKind
NOTHING_LEFT_UNSPECIFIED: NothingLeft
NOTHING_LEFT_DONE: NothingLeft
NOTHING_LEFT_WAITING: NothingLeft
NOTHING_LEFT_PREPARING: NothingLeft
NOTHING_LEFT_CLOSED: NothingLeft
CHOICE_UNSPECIFIED: Choice
CHOICE_FIRST: Choice
CHOICE_SECOND: Choice
CHOICE_TIE: Choice
CHOICE_BOTH_BAD: Choice
EXPORT_KIND_UNSPECIFIED: ExportKind
EXPORT_KIND_COMPARISONS: ExportKind
EXPORT_KIND_DEMONSTRATIONS: ExportKind
EXPORT_KIND_JUDGEMENTS: ExportKind
AGGREGATION_UNSPECIFIED: Aggregation
AGGREGATION_RELIABILITY: Aggregation
AGGREGATION_MAJORITY: Aggregation
AGGREGATION_VOTES: Aggregation
PREFERENCE_FORMAT_UNSPECIFIED: PreferenceFormat
PREFERENCE_FORMAT_TRL: PreferenceFormat
PREFERENCE_FORMAT_OPENAI: PreferenceFormat
PREFERENCE_FORMAT_HELPSTEER3: PreferenceFormat
PREFERENCE_FORMAT_LABEL_STUDIO: PreferenceFormat
FILE_FORMAT_UNSPECIFIED: FileFormat
FILE_FORMAT_JSONL: FileFormat
FILE_FORMAT_PARQUET: FileFormat

class CampaignPrompt(_message.Message):
    __slots__ = ("prompt", "domain")
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    prompt: _types_pb2.Conversation
    domain: str
    def __init__(self, prompt: _Optional[_Union[_types_pb2.Conversation, _Mapping]] = ..., domain: _Optional[str] = ...) -> None: ...

class GeneratedItems(_message.Message):
    __slots__ = ("dataset", "prompts", "models", "samples_per_model", "sampling", "num_items", "selection", "reward_models")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    PROMPTS_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_PER_MODEL_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_FIELD_NUMBER: _ClassVar[int]
    NUM_ITEMS_FIELD_NUMBER: _ClassVar[int]
    SELECTION_FIELD_NUMBER: _ClassVar[int]
    REWARD_MODELS_FIELD_NUMBER: _ClassVar[int]
    dataset: str
    prompts: _containers.RepeatedCompositeFieldContainer[CampaignPrompt]
    models: _containers.RepeatedScalarFieldContainer[str]
    samples_per_model: int
    sampling: _types_pb2.Sampling
    num_items: int
    selection: PairSelection
    reward_models: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, dataset: _Optional[str] = ..., prompts: _Optional[_Iterable[_Union[CampaignPrompt, _Mapping]]] = ..., models: _Optional[_Iterable[str]] = ..., samples_per_model: _Optional[int] = ..., sampling: _Optional[_Union[_types_pb2.Sampling, _Mapping]] = ..., num_items: _Optional[int] = ..., selection: _Optional[_Union[PairSelection, str]] = ..., reward_models: _Optional[_Iterable[str]] = ...) -> None: ...

class CampaignSpec(_message.Message):
    __slots__ = ("name", "title", "kind", "guidelines", "generated", "dataset", "overlap", "overlap_share", "gold_share", "repeat_share", "strength", "responses_per_item", "skills", "seed")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    GUIDELINES_FIELD_NUMBER: _ClassVar[int]
    GENERATED_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    OVERLAP_FIELD_NUMBER: _ClassVar[int]
    OVERLAP_SHARE_FIELD_NUMBER: _ClassVar[int]
    GOLD_SHARE_FIELD_NUMBER: _ClassVar[int]
    REPEAT_SHARE_FIELD_NUMBER: _ClassVar[int]
    STRENGTH_FIELD_NUMBER: _ClassVar[int]
    RESPONSES_PER_ITEM_FIELD_NUMBER: _ClassVar[int]
    SKILLS_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    name: str
    title: str
    kind: CampaignKind
    guidelines: str
    generated: GeneratedItems
    dataset: str
    overlap: int
    overlap_share: float
    gold_share: float
    repeat_share: float
    strength: bool
    responses_per_item: int
    skills: _containers.RepeatedScalarFieldContainer[str]
    seed: int
    def __init__(self, name: _Optional[str] = ..., title: _Optional[str] = ..., kind: _Optional[_Union[CampaignKind, str]] = ..., guidelines: _Optional[str] = ..., generated: _Optional[_Union[GeneratedItems, _Mapping]] = ..., dataset: _Optional[str] = ..., overlap: _Optional[int] = ..., overlap_share: _Optional[float] = ..., gold_share: _Optional[float] = ..., repeat_share: _Optional[float] = ..., strength: _Optional[bool] = ..., responses_per_item: _Optional[int] = ..., skills: _Optional[_Iterable[str]] = ..., seed: _Optional[int] = ...) -> None: ...

class Campaign(_message.Message):
    __slots__ = ("spec", "state", "reason", "created_at", "closed_at", "guidelines", "guidelines_version", "progress")
    SPEC_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    CLOSED_AT_FIELD_NUMBER: _ClassVar[int]
    GUIDELINES_FIELD_NUMBER: _ClassVar[int]
    GUIDELINES_VERSION_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    spec: CampaignSpec
    state: CampaignState
    reason: str
    created_at: _timestamp_pb2.Timestamp
    closed_at: _timestamp_pb2.Timestamp
    guidelines: str
    guidelines_version: int
    progress: CampaignProgress
    def __init__(self, spec: _Optional[_Union[CampaignSpec, _Mapping]] = ..., state: _Optional[_Union[CampaignState, str]] = ..., reason: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., closed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., guidelines: _Optional[str] = ..., guidelines_version: _Optional[int] = ..., progress: _Optional[_Union[CampaignProgress, _Mapping]] = ...) -> None: ...

class CampaignProgress(_message.Message):
    __slots__ = ("items", "gold_items", "items_done", "judgements_wanted", "judgements", "raters")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    GOLD_ITEMS_FIELD_NUMBER: _ClassVar[int]
    ITEMS_DONE_FIELD_NUMBER: _ClassVar[int]
    JUDGEMENTS_WANTED_FIELD_NUMBER: _ClassVar[int]
    JUDGEMENTS_FIELD_NUMBER: _ClassVar[int]
    RATERS_FIELD_NUMBER: _ClassVar[int]
    items: int
    gold_items: int
    items_done: int
    judgements_wanted: int
    judgements: int
    raters: int
    def __init__(self, items: _Optional[int] = ..., gold_items: _Optional[int] = ..., items_done: _Optional[int] = ..., judgements_wanted: _Optional[int] = ..., judgements: _Optional[int] = ..., raters: _Optional[int] = ...) -> None: ...

class RaterProgress(_message.Message):
    __slots__ = ("rater", "judgements", "open")
    RATER_FIELD_NUMBER: _ClassVar[int]
    JUDGEMENTS_FIELD_NUMBER: _ClassVar[int]
    OPEN_FIELD_NUMBER: _ClassVar[int]
    rater: str
    judgements: int
    open: int
    def __init__(self, rater: _Optional[str] = ..., judgements: _Optional[int] = ..., open: _Optional[int] = ...) -> None: ...

class CreateCampaignRequest(_message.Message):
    __slots__ = ("spec", "request_id")
    SPEC_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    spec: CampaignSpec
    request_id: str
    def __init__(self, spec: _Optional[_Union[CampaignSpec, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class CreateCampaignResponse(_message.Message):
    __slots__ = ("campaign",)
    CAMPAIGN_FIELD_NUMBER: _ClassVar[int]
    campaign: Campaign
    def __init__(self, campaign: _Optional[_Union[Campaign, _Mapping]] = ...) -> None: ...

class GetCampaignRequest(_message.Message):
    __slots__ = ("campaign",)
    CAMPAIGN_FIELD_NUMBER: _ClassVar[int]
    campaign: str
    def __init__(self, campaign: _Optional[str] = ...) -> None: ...

class GetCampaignResponse(_message.Message):
    __slots__ = ("campaign",)
    CAMPAIGN_FIELD_NUMBER: _ClassVar[int]
    campaign: Campaign
    def __init__(self, campaign: _Optional[_Union[Campaign, _Mapping]] = ...) -> None: ...

class ListCampaignsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListCampaignsResponse(_message.Message):
    __slots__ = ("campaigns",)
    CAMPAIGNS_FIELD_NUMBER: _ClassVar[int]
    campaigns: _containers.RepeatedCompositeFieldContainer[Campaign]
    def __init__(self, campaigns: _Optional[_Iterable[_Union[Campaign, _Mapping]]] = ...) -> None: ...

class CloseCampaignRequest(_message.Message):
    __slots__ = ("campaign",)
    CAMPAIGN_FIELD_NUMBER: _ClassVar[int]
    campaign: str
    def __init__(self, campaign: _Optional[str] = ...) -> None: ...

class CloseCampaignResponse(_message.Message):
    __slots__ = ("campaign",)
    CAMPAIGN_FIELD_NUMBER: _ClassVar[int]
    campaign: Campaign
    def __init__(self, campaign: _Optional[_Union[Campaign, _Mapping]] = ...) -> None: ...

class SetGuidelinesRequest(_message.Message):
    __slots__ = ("campaign", "guidelines")
    CAMPAIGN_FIELD_NUMBER: _ClassVar[int]
    GUIDELINES_FIELD_NUMBER: _ClassVar[int]
    campaign: str
    guidelines: str
    def __init__(self, campaign: _Optional[str] = ..., guidelines: _Optional[str] = ...) -> None: ...

class SetGuidelinesResponse(_message.Message):
    __slots__ = ("campaign",)
    CAMPAIGN_FIELD_NUMBER: _ClassVar[int]
    campaign: Campaign
    def __init__(self, campaign: _Optional[_Union[Campaign, _Mapping]] = ...) -> None: ...

class Item(_message.Message):
    __slots__ = ("id", "prompt", "responses", "sources", "domain", "gold", "propensity")
    ID_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    RESPONSES_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    GOLD_FIELD_NUMBER: _ClassVar[int]
    PROPENSITY_FIELD_NUMBER: _ClassVar[int]
    id: str
    prompt: _types_pb2.Conversation
    responses: _containers.RepeatedScalarFieldContainer[str]
    sources: _containers.RepeatedScalarFieldContainer[str]
    domain: str
    gold: int
    propensity: float
    def __init__(self, id: _Optional[str] = ..., prompt: _Optional[_Union[_types_pb2.Conversation, _Mapping]] = ..., responses: _Optional[_Iterable[str]] = ..., sources: _Optional[_Iterable[str]] = ..., domain: _Optional[str] = ..., gold: _Optional[int] = ..., propensity: _Optional[float] = ...) -> None: ...

class AddItemsRequest(_message.Message):
    __slots__ = ("campaign", "items", "request_id")
    CAMPAIGN_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    campaign: str
    items: _containers.RepeatedCompositeFieldContainer[Item]
    request_id: str
    def __init__(self, campaign: _Optional[str] = ..., items: _Optional[_Iterable[_Union[Item, _Mapping]]] = ..., request_id: _Optional[str] = ...) -> None: ...

class AddItemsResponse(_message.Message):
    __slots__ = ("added", "campaign")
    ADDED_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_FIELD_NUMBER: _ClassVar[int]
    added: int
    campaign: Campaign
    def __init__(self, added: _Optional[int] = ..., campaign: _Optional[_Union[Campaign, _Mapping]] = ...) -> None: ...

class ImportHeader(_message.Message):
    __slots__ = ("campaign", "kind", "filename", "sha256", "field_map", "max_bad")
    class FieldMapEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CAMPAIGN_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    FILENAME_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    FIELD_MAP_FIELD_NUMBER: _ClassVar[int]
    MAX_BAD_FIELD_NUMBER: _ClassVar[int]
    campaign: str
    kind: ImportKind
    filename: str
    sha256: str
    field_map: _containers.ScalarMap[str, str]
    max_bad: int
    def __init__(self, campaign: _Optional[str] = ..., kind: _Optional[_Union[ImportKind, str]] = ..., filename: _Optional[str] = ..., sha256: _Optional[str] = ..., field_map: _Optional[_Mapping[str, str]] = ..., max_bad: _Optional[int] = ...) -> None: ...

class ImportFileRequest(_message.Message):
    __slots__ = ("header", "chunk")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    header: ImportHeader
    chunk: bytes
    def __init__(self, header: _Optional[_Union[ImportHeader, _Mapping]] = ..., chunk: _Optional[bytes] = ...) -> None: ...

class ImportFileResponse(_message.Message):
    __slots__ = ("items", "judgements", "bad", "detected_format", "campaign")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    JUDGEMENTS_FIELD_NUMBER: _ClassVar[int]
    BAD_FIELD_NUMBER: _ClassVar[int]
    DETECTED_FORMAT_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_FIELD_NUMBER: _ClassVar[int]
    items: int
    judgements: int
    bad: int
    detected_format: str
    campaign: Campaign
    def __init__(self, items: _Optional[int] = ..., judgements: _Optional[int] = ..., bad: _Optional[int] = ..., detected_format: _Optional[str] = ..., campaign: _Optional[_Union[Campaign, _Mapping]] = ...) -> None: ...

class Rater(_message.Message):
    __slots__ = ("name", "skills")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SKILLS_FIELD_NUMBER: _ClassVar[int]
    name: str
    skills: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., skills: _Optional[_Iterable[str]] = ...) -> None: ...

class SetRaterRequest(_message.Message):
    __slots__ = ("rater",)
    RATER_FIELD_NUMBER: _ClassVar[int]
    rater: Rater
    def __init__(self, rater: _Optional[_Union[Rater, _Mapping]] = ...) -> None: ...

class SetRaterResponse(_message.Message):
    __slots__ = ("rater",)
    RATER_FIELD_NUMBER: _ClassVar[int]
    rater: Rater
    def __init__(self, rater: _Optional[_Union[Rater, _Mapping]] = ...) -> None: ...

class ListRatersRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListRatersResponse(_message.Message):
    __slots__ = ("raters",)
    RATERS_FIELD_NUMBER: _ClassVar[int]
    raters: _containers.RepeatedCompositeFieldContainer[Rater]
    def __init__(self, raters: _Optional[_Iterable[_Union[Rater, _Mapping]]] = ...) -> None: ...

class Assignment(_message.Message):
    __slots__ = ("id", "campaign", "kind", "prompt", "responses", "domain", "strength", "guidelines_version")
    ID_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    RESPONSES_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    STRENGTH_FIELD_NUMBER: _ClassVar[int]
    GUIDELINES_VERSION_FIELD_NUMBER: _ClassVar[int]
    id: str
    campaign: str
    kind: CampaignKind
    prompt: _types_pb2.Conversation
    responses: _containers.RepeatedScalarFieldContainer[str]
    domain: str
    strength: bool
    guidelines_version: int
    def __init__(self, id: _Optional[str] = ..., campaign: _Optional[str] = ..., kind: _Optional[_Union[CampaignKind, str]] = ..., prompt: _Optional[_Union[_types_pb2.Conversation, _Mapping]] = ..., responses: _Optional[_Iterable[str]] = ..., domain: _Optional[str] = ..., strength: _Optional[bool] = ..., guidelines_version: _Optional[int] = ...) -> None: ...

class NextItemRequest(_message.Message):
    __slots__ = ("campaign", "rater")
    CAMPAIGN_FIELD_NUMBER: _ClassVar[int]
    RATER_FIELD_NUMBER: _ClassVar[int]
    campaign: str
    rater: str
    def __init__(self, campaign: _Optional[str] = ..., rater: _Optional[str] = ...) -> None: ...

class NextItemResponse(_message.Message):
    __slots__ = ("assignment", "nothing_left", "progress", "campaign_progress")
    ASSIGNMENT_FIELD_NUMBER: _ClassVar[int]
    NOTHING_LEFT_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_PROGRESS_FIELD_NUMBER: _ClassVar[int]
    assignment: Assignment
    nothing_left: NothingLeft
    progress: RaterProgress
    campaign_progress: CampaignProgress
    def __init__(self, assignment: _Optional[_Union[Assignment, _Mapping]] = ..., nothing_left: _Optional[_Union[NothingLeft, str]] = ..., progress: _Optional[_Union[RaterProgress, _Mapping]] = ..., campaign_progress: _Optional[_Union[CampaignProgress, _Mapping]] = ...) -> None: ...

class Preference(_message.Message):
    __slots__ = ("choice", "strength")
    CHOICE_FIELD_NUMBER: _ClassVar[int]
    STRENGTH_FIELD_NUMBER: _ClassVar[int]
    choice: Choice
    strength: int
    def __init__(self, choice: _Optional[_Union[Choice, str]] = ..., strength: _Optional[int] = ...) -> None: ...

class RankingTier(_message.Message):
    __slots__ = ("positions",)
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    positions: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, positions: _Optional[_Iterable[int]] = ...) -> None: ...

class Ranking(_message.Message):
    __slots__ = ("tiers",)
    TIERS_FIELD_NUMBER: _ClassVar[int]
    tiers: _containers.RepeatedCompositeFieldContainer[RankingTier]
    def __init__(self, tiers: _Optional[_Iterable[_Union[RankingTier, _Mapping]]] = ...) -> None: ...

class Demonstration(_message.Message):
    __slots__ = ("text",)
    TEXT_FIELD_NUMBER: _ClassVar[int]
    text: str
    def __init__(self, text: _Optional[str] = ...) -> None: ...

class Skip(_message.Message):
    __slots__ = ("reason",)
    REASON_FIELD_NUMBER: _ClassVar[int]
    reason: str
    def __init__(self, reason: _Optional[str] = ...) -> None: ...

class SubmitJudgementRequest(_message.Message):
    __slots__ = ("campaign", "rater", "assignment", "preference", "ranking", "demonstration", "skip", "note", "milliseconds", "guidelines_version", "request_id")
    CAMPAIGN_FIELD_NUMBER: _ClassVar[int]
    RATER_FIELD_NUMBER: _ClassVar[int]
    ASSIGNMENT_FIELD_NUMBER: _ClassVar[int]
    PREFERENCE_FIELD_NUMBER: _ClassVar[int]
    RANKING_FIELD_NUMBER: _ClassVar[int]
    DEMONSTRATION_FIELD_NUMBER: _ClassVar[int]
    SKIP_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    MILLISECONDS_FIELD_NUMBER: _ClassVar[int]
    GUIDELINES_VERSION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    campaign: str
    rater: str
    assignment: str
    preference: Preference
    ranking: Ranking
    demonstration: Demonstration
    skip: Skip
    note: str
    milliseconds: int
    guidelines_version: int
    request_id: str
    def __init__(self, campaign: _Optional[str] = ..., rater: _Optional[str] = ..., assignment: _Optional[str] = ..., preference: _Optional[_Union[Preference, _Mapping]] = ..., ranking: _Optional[_Union[Ranking, _Mapping]] = ..., demonstration: _Optional[_Union[Demonstration, _Mapping]] = ..., skip: _Optional[_Union[Skip, _Mapping]] = ..., note: _Optional[str] = ..., milliseconds: _Optional[int] = ..., guidelines_version: _Optional[int] = ..., request_id: _Optional[str] = ...) -> None: ...

class SubmitJudgementResponse(_message.Message):
    __slots__ = ("judgement", "progress", "campaign_progress")
    JUDGEMENT_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_PROGRESS_FIELD_NUMBER: _ClassVar[int]
    judgement: str
    progress: RaterProgress
    campaign_progress: CampaignProgress
    def __init__(self, judgement: _Optional[str] = ..., progress: _Optional[_Union[RaterProgress, _Mapping]] = ..., campaign_progress: _Optional[_Union[CampaignProgress, _Mapping]] = ...) -> None: ...

class UndoJudgementRequest(_message.Message):
    __slots__ = ("campaign", "rater", "request_id", "judgement")
    CAMPAIGN_FIELD_NUMBER: _ClassVar[int]
    RATER_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    JUDGEMENT_FIELD_NUMBER: _ClassVar[int]
    campaign: str
    rater: str
    request_id: str
    judgement: str
    def __init__(self, campaign: _Optional[str] = ..., rater: _Optional[str] = ..., request_id: _Optional[str] = ..., judgement: _Optional[str] = ...) -> None: ...

class UndoJudgementResponse(_message.Message):
    __slots__ = ("judgement", "assignment", "progress", "campaign_progress")
    JUDGEMENT_FIELD_NUMBER: _ClassVar[int]
    ASSIGNMENT_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_PROGRESS_FIELD_NUMBER: _ClassVar[int]
    judgement: str
    assignment: Assignment
    progress: RaterProgress
    campaign_progress: CampaignProgress
    def __init__(self, judgement: _Optional[str] = ..., assignment: _Optional[_Union[Assignment, _Mapping]] = ..., progress: _Optional[_Union[RaterProgress, _Mapping]] = ..., campaign_progress: _Optional[_Union[CampaignProgress, _Mapping]] = ...) -> None: ...

class Judgement(_message.Message):
    __slots__ = ("id", "campaign", "rater", "item", "assignment", "order", "preference", "ranking", "demonstration", "skip", "note", "milliseconds", "guidelines_version", "at", "gold", "repeat", "undone")
    ID_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_FIELD_NUMBER: _ClassVar[int]
    RATER_FIELD_NUMBER: _ClassVar[int]
    ITEM_FIELD_NUMBER: _ClassVar[int]
    ASSIGNMENT_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    PREFERENCE_FIELD_NUMBER: _ClassVar[int]
    RANKING_FIELD_NUMBER: _ClassVar[int]
    DEMONSTRATION_FIELD_NUMBER: _ClassVar[int]
    SKIP_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    MILLISECONDS_FIELD_NUMBER: _ClassVar[int]
    GUIDELINES_VERSION_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    GOLD_FIELD_NUMBER: _ClassVar[int]
    REPEAT_FIELD_NUMBER: _ClassVar[int]
    UNDONE_FIELD_NUMBER: _ClassVar[int]
    id: str
    campaign: str
    rater: str
    item: str
    assignment: str
    order: _containers.RepeatedScalarFieldContainer[int]
    preference: Preference
    ranking: Ranking
    demonstration: Demonstration
    skip: Skip
    note: str
    milliseconds: int
    guidelines_version: int
    at: _timestamp_pb2.Timestamp
    gold: bool
    repeat: bool
    undone: bool
    def __init__(self, id: _Optional[str] = ..., campaign: _Optional[str] = ..., rater: _Optional[str] = ..., item: _Optional[str] = ..., assignment: _Optional[str] = ..., order: _Optional[_Iterable[int]] = ..., preference: _Optional[_Union[Preference, _Mapping]] = ..., ranking: _Optional[_Union[Ranking, _Mapping]] = ..., demonstration: _Optional[_Union[Demonstration, _Mapping]] = ..., skip: _Optional[_Union[Skip, _Mapping]] = ..., note: _Optional[str] = ..., milliseconds: _Optional[int] = ..., guidelines_version: _Optional[int] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., gold: _Optional[bool] = ..., repeat: _Optional[bool] = ..., undone: _Optional[bool] = ...) -> None: ...

class ListJudgementsRequest(_message.Message):
    __slots__ = ("campaign", "rater", "page_size", "page_token")
    CAMPAIGN_FIELD_NUMBER: _ClassVar[int]
    RATER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    campaign: str
    rater: str
    page_size: int
    page_token: str
    def __init__(self, campaign: _Optional[str] = ..., rater: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListJudgementsResponse(_message.Message):
    __slots__ = ("judgements", "next_page_token")
    JUDGEMENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    judgements: _containers.RepeatedCompositeFieldContainer[Judgement]
    next_page_token: str
    def __init__(self, judgements: _Optional[_Iterable[_Union[Judgement, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetProgressRequest(_message.Message):
    __slots__ = ("campaign", "rater")
    CAMPAIGN_FIELD_NUMBER: _ClassVar[int]
    RATER_FIELD_NUMBER: _ClassVar[int]
    campaign: str
    rater: str
    def __init__(self, campaign: _Optional[str] = ..., rater: _Optional[str] = ...) -> None: ...

class GetProgressResponse(_message.Message):
    __slots__ = ("campaign_progress", "progress", "state")
    CAMPAIGN_PROGRESS_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    campaign_progress: CampaignProgress
    progress: RaterProgress
    state: CampaignState
    def __init__(self, campaign_progress: _Optional[_Union[CampaignProgress, _Mapping]] = ..., progress: _Optional[_Union[RaterProgress, _Mapping]] = ..., state: _Optional[_Union[CampaignState, str]] = ...) -> None: ...

class GetStatisticsRequest(_message.Message):
    __slots__ = ("campaign",)
    CAMPAIGN_FIELD_NUMBER: _ClassVar[int]
    campaign: str
    def __init__(self, campaign: _Optional[str] = ...) -> None: ...

class Estimate(_message.Message):
    __slots__ = ("value", "low", "high", "count")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    LOW_FIELD_NUMBER: _ClassVar[int]
    HIGH_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    value: float
    low: float
    high: float
    count: int
    def __init__(self, value: _Optional[float] = ..., low: _Optional[float] = ..., high: _Optional[float] = ..., count: _Optional[int] = ...) -> None: ...

class RaterStatistics(_message.Message):
    __slots__ = ("rater", "judgements", "skips", "undone", "gold_accuracy", "repeat_consistency", "first_preferred", "longer_preferred", "agreement", "reliability", "median_seconds")
    RATER_FIELD_NUMBER: _ClassVar[int]
    JUDGEMENTS_FIELD_NUMBER: _ClassVar[int]
    SKIPS_FIELD_NUMBER: _ClassVar[int]
    UNDONE_FIELD_NUMBER: _ClassVar[int]
    GOLD_ACCURACY_FIELD_NUMBER: _ClassVar[int]
    REPEAT_CONSISTENCY_FIELD_NUMBER: _ClassVar[int]
    FIRST_PREFERRED_FIELD_NUMBER: _ClassVar[int]
    LONGER_PREFERRED_FIELD_NUMBER: _ClassVar[int]
    AGREEMENT_FIELD_NUMBER: _ClassVar[int]
    RELIABILITY_FIELD_NUMBER: _ClassVar[int]
    MEDIAN_SECONDS_FIELD_NUMBER: _ClassVar[int]
    rater: str
    judgements: int
    skips: int
    undone: int
    gold_accuracy: Estimate
    repeat_consistency: Estimate
    first_preferred: Estimate
    longer_preferred: Estimate
    agreement: Estimate
    reliability: float
    median_seconds: float
    def __init__(self, rater: _Optional[str] = ..., judgements: _Optional[int] = ..., skips: _Optional[int] = ..., undone: _Optional[int] = ..., gold_accuracy: _Optional[_Union[Estimate, _Mapping]] = ..., repeat_consistency: _Optional[_Union[Estimate, _Mapping]] = ..., first_preferred: _Optional[_Union[Estimate, _Mapping]] = ..., longer_preferred: _Optional[_Union[Estimate, _Mapping]] = ..., agreement: _Optional[_Union[Estimate, _Mapping]] = ..., reliability: _Optional[float] = ..., median_seconds: _Optional[float] = ...) -> None: ...

class AgreementStatistics(_message.Message):
    __slots__ = ("domain", "items", "judgements", "agreement", "cohen_kappa", "fleiss_kappa", "krippendorff_alpha")
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    JUDGEMENTS_FIELD_NUMBER: _ClassVar[int]
    AGREEMENT_FIELD_NUMBER: _ClassVar[int]
    COHEN_KAPPA_FIELD_NUMBER: _ClassVar[int]
    FLEISS_KAPPA_FIELD_NUMBER: _ClassVar[int]
    KRIPPENDORFF_ALPHA_FIELD_NUMBER: _ClassVar[int]
    domain: str
    items: int
    judgements: int
    agreement: Estimate
    cohen_kappa: Estimate
    fleiss_kappa: Estimate
    krippendorff_alpha: Estimate
    def __init__(self, domain: _Optional[str] = ..., items: _Optional[int] = ..., judgements: _Optional[int] = ..., agreement: _Optional[_Union[Estimate, _Mapping]] = ..., cohen_kappa: _Optional[_Union[Estimate, _Mapping]] = ..., fleiss_kappa: _Optional[_Union[Estimate, _Mapping]] = ..., krippendorff_alpha: _Optional[_Union[Estimate, _Mapping]] = ...) -> None: ...

class SourceStatistics(_message.Message):
    __slots__ = ("source", "wins", "losses", "ties", "win_rate")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    WINS_FIELD_NUMBER: _ClassVar[int]
    LOSSES_FIELD_NUMBER: _ClassVar[int]
    TIES_FIELD_NUMBER: _ClassVar[int]
    WIN_RATE_FIELD_NUMBER: _ClassVar[int]
    source: str
    wins: int
    losses: int
    ties: int
    win_rate: Estimate
    def __init__(self, source: _Optional[str] = ..., wins: _Optional[int] = ..., losses: _Optional[int] = ..., ties: _Optional[int] = ..., win_rate: _Optional[_Union[Estimate, _Mapping]] = ...) -> None: ...

class DailyCount(_message.Message):
    __slots__ = ("date", "judgements")
    DATE_FIELD_NUMBER: _ClassVar[int]
    JUDGEMENTS_FIELD_NUMBER: _ClassVar[int]
    date: str
    judgements: int
    def __init__(self, date: _Optional[str] = ..., judgements: _Optional[int] = ...) -> None: ...

class GetStatisticsResponse(_message.Message):
    __slots__ = ("progress", "agreement", "domains", "raters", "sources", "days", "longer_preferred")
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    AGREEMENT_FIELD_NUMBER: _ClassVar[int]
    DOMAINS_FIELD_NUMBER: _ClassVar[int]
    RATERS_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    DAYS_FIELD_NUMBER: _ClassVar[int]
    LONGER_PREFERRED_FIELD_NUMBER: _ClassVar[int]
    progress: CampaignProgress
    agreement: AgreementStatistics
    domains: _containers.RepeatedCompositeFieldContainer[AgreementStatistics]
    raters: _containers.RepeatedCompositeFieldContainer[RaterStatistics]
    sources: _containers.RepeatedCompositeFieldContainer[SourceStatistics]
    days: _containers.RepeatedCompositeFieldContainer[DailyCount]
    longer_preferred: Estimate
    def __init__(self, progress: _Optional[_Union[CampaignProgress, _Mapping]] = ..., agreement: _Optional[_Union[AgreementStatistics, _Mapping]] = ..., domains: _Optional[_Iterable[_Union[AgreementStatistics, _Mapping]]] = ..., raters: _Optional[_Iterable[_Union[RaterStatistics, _Mapping]]] = ..., sources: _Optional[_Iterable[_Union[SourceStatistics, _Mapping]]] = ..., days: _Optional[_Iterable[_Union[DailyCount, _Mapping]]] = ..., longer_preferred: _Optional[_Union[Estimate, _Mapping]] = ...) -> None: ...

class ExportDatasetRequest(_message.Message):
    __slots__ = ("campaign", "name", "kind", "aggregation")
    CAMPAIGN_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    AGGREGATION_FIELD_NUMBER: _ClassVar[int]
    campaign: str
    name: str
    kind: ExportKind
    aggregation: Aggregation
    def __init__(self, campaign: _Optional[str] = ..., name: _Optional[str] = ..., kind: _Optional[_Union[ExportKind, str]] = ..., aggregation: _Optional[_Union[Aggregation, str]] = ...) -> None: ...

class ExportDatasetResponse(_message.Message):
    __slots__ = ("dataset", "left_out")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    LEFT_OUT_FIELD_NUMBER: _ClassVar[int]
    dataset: _catalog_pb2.Dataset
    left_out: int
    def __init__(self, dataset: _Optional[_Union[_catalog_pb2.Dataset, _Mapping]] = ..., left_out: _Optional[int] = ...) -> None: ...

class DownloadExportRequest(_message.Message):
    __slots__ = ("campaign", "kind", "aggregation", "preference_format", "file_format")
    CAMPAIGN_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    AGGREGATION_FIELD_NUMBER: _ClassVar[int]
    PREFERENCE_FORMAT_FIELD_NUMBER: _ClassVar[int]
    FILE_FORMAT_FIELD_NUMBER: _ClassVar[int]
    campaign: str
    kind: ExportKind
    aggregation: Aggregation
    preference_format: PreferenceFormat
    file_format: FileFormat
    def __init__(self, campaign: _Optional[str] = ..., kind: _Optional[_Union[ExportKind, str]] = ..., aggregation: _Optional[_Union[Aggregation, str]] = ..., preference_format: _Optional[_Union[PreferenceFormat, str]] = ..., file_format: _Optional[_Union[FileFormat, str]] = ...) -> None: ...

class ExportSummary(_message.Message):
    __slots__ = ("rows", "sha256")
    ROWS_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    rows: int
    sha256: str
    def __init__(self, rows: _Optional[int] = ..., sha256: _Optional[str] = ...) -> None: ...

class DownloadExportResponse(_message.Message):
    __slots__ = ("chunk", "summary")
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    chunk: bytes
    summary: ExportSummary
    def __init__(self, chunk: _Optional[bytes] = ..., summary: _Optional[_Union[ExportSummary, _Mapping]] = ...) -> None: ...
