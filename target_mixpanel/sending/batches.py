"""Collect events into batches, one batch for each request, with the original records."""

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
"""The comma or bracket next to each event in the body."""
_MANY = 64
"""The number of events that are added to a batch at once. If they do not all fit, they are added
one by one. The number is small, so that this happens only at the end of a batch."""


class _RawRecordOf(msgspec.Struct):
    record: msgspec.Raw


_decode_raw_message = msgspec.json.Decoder(_RawRecordOf).decode
_decode_raw_record = msgspec.json.Decoder(msgspec.Raw).decode


@dataclass(frozen=True)
class Source:
    """A stream whose input lines have one form. The dead letter needs it to read a line again.

    Attributes:
        stream: The name of the stream.
        schema: The SCHEMA message of the stream.
        whole_messages: Whether a line is a whole RECORD message, or only the JSON of a record.
    """

    stream: str
    schema: Mapping[str, Any]
    whole_messages: bool

    def record_of(self, line: bytes) -> dict[str, Any]:
        """Return the record of an input line.

        Raises:
            InputError: The line has no record.
        """
        return read_record(line, self.stream, whole_message=self.whole_messages)

    def original(self, line: bytes) -> msgspec.Raw | dict[str, Any]:
        """Return the record of a line byte for byte, or parsed if the line is not strict JSON.

        For a record that is too large for that, see `unread_record`.
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
"""An original record: its source and its input line. The line is kept, and not the parsed record,
because few records are needed again."""


@dataclass
class Batch:
    """The events of one request. No more events are added.

    Dozens of batches wait for their responses at the same time. As thousands of small objects, each
    batch would need several times the memory, so it is kept as a few blocks of bytes.

    Attributes:
        number: The number of the batch, from 0, in the order of the records.
        names: The name of each event.
        times: The time of each event in UNIX seconds.
        events: The JSON of the events, one on each line. Empty after `body` has compressed it.
        sources: The source of each event.
        lines: The input lines of the events, joined with newlines.
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
        """The bytes of the events and their input lines together."""
        return len(self.events) + len(self.lines)

    def body(self, start: int, end: int) -> bytes:
        """Return the compressed body of a request with some of the events.

        The events are compressed once, and the uncompressed JSON is dropped: retries send the same
        body.

        Args:
            start: The index of the first event.
            end: The index after the last event.
        """
        if not self._body:
            self._body = pack(self.events)
            self.events = b""
        if (start, end) == (0, len(self)):
            return self._body
        return pack(b"\n".join(unpack(self._body)[start:end]))

    def origins(self) -> list[Origin]:
        """Return the original record of each event."""
        return list(zip(self.sources, self.lines.split(b"\n"), strict=True))


@dataclass
class _OpenBatch:
    """The batch that is being filled, as lists of the same length."""

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
        # Neither the events nor the lines contain a newline: msgspec escapes newlines, and the
        # input was split at newlines. So joining and splitting at newlines is safe.
        events, lines = b"\n".join(self.bodies), b"\n".join(self.lines)
        return Batch(self.number, self.names, self.times, events, self.sources, lines)


class Batcher:
    """Fill one sequence of batches for all sinks, so that all event types share requests."""

    def __init__(
        self,
        submit: Callable[[Batch], None],
        *,
        max_events: int,
        max_bytes: int,
        clock: Callable[[], float],
        look_at: Callable[[list[bytes], list[float]], object] = lambda *_: None,
    ) -> None:
        """Start without an open batch.

        Args:
            submit: Takes a full batch. It may block while too many batches are in flight.
            max_events: The most events in a batch.
            max_bytes: The most bytes of a request body before compression. A larger event gets its
                own batch.
            clock: Returns seconds, for the age of the open batch.
            look_at: Called with the events of each batch as JSON, and with their times.
        """
        self._submit, self._look_at = submit, look_at
        self._max_events, self._max_bytes, self._clock = max_events, max_bytes, clock
        self._open: _OpenBatch | None = None
        self._last_number = -1

    @property
    def last_number(self) -> int:
        """The number of the batch with the last event, or -1 before the first event."""
        return self._last_number

    def add(self, name: str, time: float, body: bytes, origin: Origin) -> None:
        """Add one event. If it does not fit into the open batch, submit that batch first."""
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
        """Add events of one source, many at once if they fit."""
        for start in range(0, len(prepared.bodies), _MANY):
            names = prepared.names[start : start + _MANY]
            times = prepared.times[start : start + _MANY]
            bodies = prepared.bodies[start : start + _MANY]
            lines = prepared.lines[start : start + _MANY]
            batch = self._open
            size = sum(map(len, bodies)) + len(bodies) * _BYTES_BETWEEN
            # Strictly fewer than `max_events`: only `add` submits a full batch.
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
