"""Every private part of the Singer SDK that the plugins depend on, and public hooks in its place.

The SDK offers no public way to do what stands here, so each entry says why it is needed and what
to look at when the SDK moves on. No other module names a private part: a plugin overrides the hooks
of these classes, and `tests/braze_mixpanel/test_house.py` lists what this module touches, so that
one more is a decision.
"""

from __future__ import annotations

import logging
import os
import sys
from abc import abstractmethod
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, cast

import singer_sdk
from singer_sdk import Stream, Target

# The SDK's list of words for "true", and its reader of one environment variable. If they move: both
# are small enough to be written again.
from singer_sdk.configuration._dict_config import (
    TRUTHY,
    merge_missing_config_jsonschema,
    parse_environment_config,
)

# The dataclasses of BATCH messages: the protocol's own shape, public nowhere. If they move: look in
# `singer_sdk.batch` and `singer_sdk.contrib`.
from singer_sdk.helpers._batch import BatchConfig, SDKBatchMessage, StorageTarget

# `PluginBase._env_var_config` is a property of the class. Python has had none since 3.11.
from singer_sdk.helpers._classproperty import classproperty
from singer_sdk.helpers.capabilities import BATCH_CONFIG, PluginCapabilities

# What `--config` has parsed, as the callbacks of other options find it in click's context. If it
# moves: `PluginBase.cb_config` returns it.
from singer_sdk.plugin_base import PluginBase
from singer_sdk.plugin_base import _ConfigInput as ConfigInput

from braze_mixpanel.errors import TemporaryError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping
    from pathlib import PurePath
    from types import FrameType

    import click
    from singer_sdk.helpers.types import Context, Record
    from singer_sdk.singerlib.encoding.base import GenericSingerReader, GenericSingerWriter
    from singer_sdk.singerlib.messages import RecordMessage, SchemaMessage
    from typing_extensions import Unpack
    from upath import UPath

__all__ = [
    "TRUTHY",
    "BatchConfig",
    "ConfigInput",
    "SDKBatchMessage",
    "SingerPlugin",
    "SingerStream",
    "SingerTarget",
    "StorageTarget",
    "file_in",
    "options_of_config",
    "parse_environment_config",
    "quiet_sdk",
]


def file_in(place: StorageTarget, name: str) -> UPath:
    """Return the path of a file in a folder of BATCH files.

    `StorageTarget.open` makes the folder first, on S3 the bucket, which a reader must not do. If
    `_root_path` goes: `StorageTarget.fs` of older SDKs, or `UPath` of the URL itself.

    Args:
        place: The folder.
        name: The file's name in it.
    """
    return place._root_path / name  # noqa: SLF001


def options_of_config(ctx: click.Context) -> dict[str, Any]:
    """Return the arguments for a plugin's constructor that the option `--config` stands for."""
    given = ctx.params.get("config") or ConfigInput()
    return {"config": given.config, "parse_env_config": given.parse_env}


SDK_FOLDER = str(Path(singer_sdk.__file__).parent)


class _WithoutSdkLines(logging.Filter):
    """Drops what the SDK's own code logs at level INFO about itself, but for its version.

    Its lines, such as "Skipping parse of env var settings...", go to the plugin's logger. They say
    nothing that the plugins do not say with numbers. With the level DEBUG all of them are there.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a line is logged."""
        return (
            record.levelno != logging.INFO
            or not record.pathname.startswith(SDK_FOLDER)
            or record.funcName == "print_version"
            or logging.getLogger().isEnabledFor(logging.DEBUG)
        )


_without_sdk_lines = _WithoutSdkLines()


def quiet_sdk(logger: logging.Logger) -> None:
    """Log no lines of the SDK about itself.

    Args:
        logger: The plugin's.
    """
    logger.addFilter(_without_sdk_lines)


class PluginArguments(TypedDict, total=False):
    """What the constructors of the SDK's plugins take."""

    config: dict[str, Any] | PurePath | str | list[PurePath | str] | None
    parse_env_config: bool
    validate_config: bool
    setup_mapper: bool


class TapArguments(PluginArguments, total=False):
    """What the constructor of the SDK's tap takes besides the catalog."""

    state: PurePath | str | dict[str, Any] | None
    message_writer: GenericSingerWriter[Any, Any] | None


class TargetArguments(PluginArguments, total=False):
    """What the constructor of the SDK's target takes."""

    message_reader: GenericSingerReader[Any] | None


class SingerPlugin(PluginBase):
    """The SDK's plugin with public hooks for its settings and for signals."""

    @classproperty
    def _env_var_config(cls) -> dict[str, Any]:  # noqa: N805 - the SDK's own kind of property
        """Hook into the reading of the environment: the SDK's ends in a trace on a wrong type."""
        schema = cls.config_jsonschema
        cls.append_builtin_config(schema)
        return cls.read_environment(schema)

    @classmethod
    @abstractmethod
    def read_environment(cls, schema: dict[str, Any]) -> dict[str, Any]:
        """Read the settings that stand in environment variables.

        Args:
            schema: The settings, the SDK's own included.
        """

    @classmethod
    def environment_prefix(cls) -> str:
        """Return what the names of the plugin's environment variables begin with."""
        return str(cls._env_var_prefix)

    @property
    def changeable_config(self) -> dict[str, Any]:
        """The settings while they are validated; `config` is the same, read-only."""
        return cast("dict[str, Any]", self._config)

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Hook into the constructor, which calls this before anything else uses the settings."""
        return self.validate_settings(raise_errors=raise_errors)

    @abstractmethod
    def validate_settings(self, *, raise_errors: bool) -> list[str]:
        """Check the settings, and put right those that come in another form.

        Args:
            raise_errors: Whether a mistake raises `ConfigValidationError`.

        Returns:
            One line for each mistake.
        """

    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """Hook into the SDK's signal handlers: its own drains sinks and ends with exit code 0."""
        del frame
        self.handle_signal(signum)

    @abstractmethod
    def handle_signal(self, signum: int) -> None:
        """Make the run end soon after SIGTERM or SIGINT.

        Args:
            signum: The signal; this runs between two instructions of the main thread.
        """


class SingerTarget(SingerPlugin, Target):
    """The SDK's target with public hooks for its messages.

    If the SDK renames the methods that take messages: `BaseSingerReader.process_lines` hands them
    to the reader.
    """

    def __init__(self, **arguments: Unpack[TargetArguments]) -> None:
        """Read the settings; nothing is opened or sent yet.

        Args:
            arguments: Those of the SDK's `Target`.
        """
        arguments["message_reader"] = arguments.get("message_reader") or self.make_reader()
        super().__init__(**arguments)

    @abstractmethod
    def make_reader(self) -> GenericSingerReader[Any]:
        """Make the reader of the input. Called before the settings are read."""

    @classmethod
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        """Add the SDK's settings that mean something here.

        Its others (`load_method`, `add_record_metadata`, `batch_size_rows`, `validate_records`) are
        about tables, so this leaves out `Target`'s own method.
        """
        super(Target, cls).append_builtin_config(config_jsonschema)
        if PluginCapabilities.BATCH in cls.capabilities:
            merge_missing_config_jsonschema(BATCH_CONFIG, config_jsonschema)

    def _process_schema_message(self, message_dict: dict[str, Any]) -> None:
        self.take_schema_message(message_dict)

    def _process_record_message(self, message_dict: dict[str, Any]) -> None:
        self.take_record_message(message_dict)

    def _process_state_message(self, message_dict: dict[str, Any]) -> None:
        self.take_state_message(message_dict)

    def _process_activate_version_message(self, message_dict: dict[str, Any]) -> None:
        self.take_activate_version_message(message_dict)

    def _process_batch_message(self, message_dict: dict[str, Any]) -> None:
        self.take_batch_message(message_dict)

    @abstractmethod
    def take_schema_message(self, message: dict[str, Any]) -> None:
        """Take a parsed SCHEMA message."""

    @abstractmethod
    def take_record_message(self, message: dict[str, Any]) -> None:
        """Take a parsed RECORD message; streams without maps have the reader's fast lane."""

    @abstractmethod
    def take_state_message(self, message: dict[str, Any]) -> None:
        """Take a parsed STATE message."""

    @abstractmethod
    def take_activate_version_message(self, message: dict[str, Any]) -> None:
        """Take a parsed ACTIVATE_VERSION message."""

    @abstractmethod
    def take_batch_message(self, message: dict[str, Any]) -> None:
        """Take a parsed BATCH message."""

    def register_stream(self, schema_message: dict[str, Any]) -> None:
        """Make the stream maps and the sinks of a stream, as the SDK does on SCHEMA.

        Args:
            schema_message: The parsed SCHEMA message.
        """
        super()._process_schema_message(schema_message)

    def keep_state(self, state: Mapping[str, Any]) -> None:
        """Keep a STATE, which the SDK writes when `process_endofpipe` has drained all sinks."""
        self._latest_state = dict(state)

    def _write_state_message(self, state: dict[str, Any]) -> None:
        self.write_state(state)

    def write_state(self, state: dict[str, Any]) -> None:
        """Write a STATE to standard output, in the SDK's form, which Meltano reads.

        Raises:
            TemporaryError: Nobody reads it, or the disk is full.
        """
        try:
            super()._write_state_message(state)
        except OSError as error:
            # Python flushes the rest of the buffer at exit: without this it would fail again there.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise TemporaryError(
                f"STATE cannot be written to standard output: {error.strerror}. Was the program "
                "that reads it stopped, or is the disk full? Run again; nothing is counted twice."
            ) from error


class SingerStream(Stream):
    """The SDK's stream with public hooks for all that it writes.

    If the SDK renames the methods: `Stream.sync` calls them in turn.
    """

    def log(
        self, message: str, *args: object, level: int = logging.DEBUG, **options: object
    ) -> None:
        """Log the SDK's lines about each stream at debug level: a tap may have a hundred.

        Its line about an error, too: the error is raised, and the command logs it in one line.
        """
        if level == logging.ERROR:
            level = logging.DEBUG
        super().log(message, *args, level=level, **options)

    def _sync_records(
        self, context: Context | None = None, *, write_messages: bool = True
    ) -> Generator[dict[str, Any], Any, Any]:
        """Stand in for the SDK's loop, whose work per record costs five times the decoding."""
        del context
        self.write_records(write_messages=write_messages)
        yield from ()

    @abstractmethod
    def write_records(self, *, write_messages: bool) -> None:
        """Write the stream's records.

        Args:
            write_messages: Whether RECORD messages go out, or the records are only counted.
        """

    def _sync_batches(self, batch_config: BatchConfig, context: Context | None = None) -> None:
        """Stand in for the SDK's loop, which writes a batch without regard to whole files."""
        del context
        self.write_batches(batch_config)

    @abstractmethod
    def write_batches(self, batch_config: BatchConfig) -> None:
        """Write the stream's records as files and BATCH messages."""

    def _generate_schema_messages(self) -> Generator[SchemaMessage, None, None]:
        """Add to the schema, from which the SDK's catalog classes drop unknown keys."""
        for message in super()._generate_schema_messages():
            yield replace(message, schema={**message.schema, **self.schema_annotations()})

    def schema_annotations(self) -> dict[str, Any]:
        """Return what a SCHEMA message adds to the schema that the SDK makes."""
        return {}

    def _write_state_message(self) -> None:
        """Write no STATE at the end of a stream: it is safe only between whole files."""

    def write_schema_messages(self) -> None:
        """Write the SCHEMA of what the stream maps make of this stream."""
        self._write_schema_message()

    def mapped_messages(self, record: Record) -> Iterable[RecordMessage]:
        """Make the RECORD messages that the stream maps and the selection make of a record."""
        return self._generate_record_messages(record)

    def write_mapped(self, record: Record) -> None:
        """Write what the stream maps and the selection make of a record."""
        self._write_record_message(record)
