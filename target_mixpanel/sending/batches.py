"""Gathers events into batches of the size of a request, each with the record it came from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from braze_mixpanel.lenient_json import UNREADABLE
from braze_mixpanel.singer.large_records import unread_record
from braze_mixpanel.singer.message_reader import TooLargeRecordError, read_record
from target_mixpanel.sending.request_body import pack, unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_mixpanel.mapping.fast_lane import Prepared

_BYTES_BETWEEN = 1
"""The comma or bracket beside each event in the body."""
_MANY = 64
"""Events that join a batch at once. If they do not all fit, they join one by one: with a small
number that is only the end of each batch."""


class _RawRecordOf(msgspec.Struct):
    record: msgspec.Raw


_decode_raw_message = msgspec.json.Decoder(_RawRecordOf).decode
_decode_raw_record = msgspec.json.Decoder(msgspec.Raw).decode


@dataclass(frozen=True)
class Source:
    """A stream of records in one form, for the dead letter.

    Attributes:
        stream: Their stream.
        schema: The stream's SCHEMA message.
        whole_messages: Whether a line is a whole RECORD message, or the JSON of a record.
    """

    stream: str
    schema: Mapping[str, Any]
    whole_messages: bool

    def record_of(self, line: bytes) -> dict[str, Any]:
        """Read the record of one of its lines.

        Raises:
            InputError: The line holds no record.
        """
        return read_record(line, self.stream, whole_message=self.whole_messages)

    def original(self, line: bytes) -> msgspec.Raw | dict[str, Any]:
        """Return the record of a line byte for byte; parsed, if the line is not strict JSON.

        One that is too large for that is the text of a field, see `unread_record`.
        """
        try:
            line.decode()
            if self.whole_messages:
                return _decode_raw_message(line).record
            return _decode_raw_record(line)
        except UNREADABLE:
            try:
                return self.record_of(line)
            except TooLargeRecordError:
                return unread_record(line, whole_message=self.whole_messages)


Origin = tuple[Source, bytes]
"""One record as it came: its source and its line. Kept as a line, because few are needed again."""


@dataclass
class Batch:
    """The events of one request, closed and packed.

    Dozens of batches wait for their answers at once. As thousands of small objects each they would
    need several times the memory, so a batch is a few blocks of bytes.

    Attributes:
        number: Counts all batches.
        names: The events' names, in order.
        times: Their times in UNIX seconds.
        events: The JSON of each, one a line; empty once `body` has packed them.
        sources: Where each came from.
        lines: The line that each came from, one a line.
    """

    number: int
    names: list[str]
    times: list[float]
    events: bytes
    sources: list[Source]
    lines: bytes
    _body: bytes = b""

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.names)

    @property
    def bytes_held(self) -> int:
        """How many bytes the events and their lines have together."""
        return len(self.events) + len(self.lines)

    def body(self, start: int, end: int) -> bytes:
        """Return the body of a request with some of the events.

        All of them are packed once, and kept only like that: retries need nothing else.
        """
        if not self._body:
            self._body = pack(self.events)
            self.events = b""
        if (start, end) == (0, len(self)):
            return self._body
        return pack(b"\n".join(unpack(self._body)[start:end]))

    def origins(self) -> list[Origin]:
        """Return the record of each event as it came."""
        return list(zip(self.sources, self.lines.split(b"\n"), strict=True))


@dataclass
class _OpenBatch:
    """The events that are to make a batch, as parallel lists."""

    number: int
    opened_at: float
    names: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    sources: list[Source] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)
    size: int = _BYTES_BETWEEN

    def add(self, name: str, time: float, body: bytes, origin: Origin) -> None:
        source, line = origin
        self.names.append(name)
        self.times.append(time)
        self.bodies.append(body)
        self.sources.append(source)
        self.lines.append(line)
        self.size += len(body) + _BYTES_BETWEEN

    def close(self) -> Batch:
        # No JSON here holds a newline: the input was split at them, and msgspec escapes them.
        events, lines = b"\n".join(self.bodies), b"\n".join(self.lines)
        return Batch(self.number, self.names, self.times, events, self.sources, lines)


class Batcher:
    """Makes one row of batches for all sinks: ninety event types share a request."""

    def __init__(
        self,
        submit: Callable[[Batch], None],
        *,
        max_events: int,
        max_bytes: int,
        clock: Callable[[], float],
        look_at: Callable[[list[bytes], list[float]], object] = lambda *_: None,
    ) -> None:
        """Start with no open batch.

        Args:
            submit: Takes a full batch; may block while too many are in flight.
            max_events: Most events in one batch.
            max_bytes: Most bytes of one request body before compression; a single event that is
                larger goes alone.
            clock: Seconds, for the age of the open batch.
            look_at: Called with the events of a batch, each as JSON, and their times.
        """
        self._submit, self._look_at = submit, look_at
        self._max_events, self._max_bytes, self._clock = max_events, max_bytes, clock
        self._open: _OpenBatch | None = None
        self._last_number = -1

    @property
    def last_number(self) -> int:
        """Number of the batch that holds the last event added, -1 before the first."""
        return self._last_number

    def add(self, name: str, time: float, body: bytes, origin: Origin) -> None:
        """Add one event, submitting the open batch first if the event does not fit."""
        batch = self._open
        if batch is not None and batch.size + len(body) + _BYTES_BETWEEN > self._max_bytes:
            self.flush()
            batch = None
        if batch is None:
            self._last_number += 1
            batch = self._open = _OpenBatch(self._last_number, self._clock())
        batch.add(name, time, body, origin)
        if len(batch.bodies) >= self._max_events:
            self.flush()

    def add_many(self, prepared: Prepared, source: Source) -> None:
        """Add events of one source, many at a time if they fit."""
        for start in range(0, len(prepared.bodies), _MANY):
            names = prepared.names[start : start + _MANY]
            times = prepared.times[start : start + _MANY]
            bodies = prepared.bodies[start : start + _MANY]
            lines = prepared.lines[start : start + _MANY]
            batch = self._open
            size = sum(map(len, bodies)) + len(bodies) * _BYTES_BETWEEN
            # Fewer than `max_events`, not equal: `add` alone submits a full batch.
            if (
                batch is not None
                and len(batch.bodies) + len(bodies) < self._max_events
                and batch.size + size <= self._max_bytes
            ):
                batch.names += names
                batch.times += times
                batch.bodies += bodies
                batch.sources += [source] * len(lines)
                batch.lines += lines
                batch.size += size
                continue
            for name, time, body, line in zip(names, times, bodies, lines, strict=True):
                self.add(name, time, body, (source, line))

    def flush(self, *, older_than: float = 0.0) -> None:
        """Submit the open batch if it is at least `older_than` seconds old."""
        batch = self._open
        if batch is not None and self._clock() - batch.opened_at >= older_than:
            self._open = None
            self._look_at(batch.bodies, batch.times)
            self._submit(batch.close())
