"""Fields of a request that this service is too old to know, which protobuf would pass over in silence."""

from collections.abc import Iterator

from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from services.runtime.errors import Problem


def unknown_fields(path: str, message: Message) -> Iterator[Problem]:
    """In the message and in all that it holds."""
    for field in UnknownFieldSet(message):
        given = f"field number {field.field_number}, which this version of the service does not know"
        yield Problem(path, given, f"fields of its {message.DESCRIPTOR.name}: a client no newer than the service")
    for descriptor, value in message.ListFields():
        if descriptor.message_type is None or descriptor.message_type.GetOptions().map_entry:
            continue
        within = f"{path}.{descriptor.name}"
        if isinstance(value, Message):
            yield from unknown_fields(within, value)
        else:
            for index, item in enumerate(value):
                yield from unknown_fields(f"{within}[{index}]", item)
