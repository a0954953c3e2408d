"""Contain all uses of private parts of the Singer SDK, and offer public hooks instead.

The SDK has no public way to do these things. Each entry explains why it is needed, and where to
look when a new version of the SDK changes it. No other module uses a private part: the plugins
override the hooks of the classes here. `tests/braze_mixpanel/test_house.py` lists all private parts
that this module uses, so that each new one is a conscious decision.
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

    `StorageTarget.open` would first create the folder, or on S3 the bucket, and a reader must not
    do that. If the SDK removes `_root_path`: use `StorageTarget.fs`, or `UPath` of the URL.

    Args:
        place: The folder.
        name: The name of the file in the folder.
    """
    return place._root_path / name  # noqa: SLF001


def options_of_config(ctx: click.Context) -> dict[str, Any]:
    """Return the arguments for a plugin's constructor that the option `--config` gives."""
    given = ctx.params.get("config") or ConfigInput()
    return {"config": given.config, "parse_env_config": given.parse_env}


SDK_FOLDER = str(Path(singer_sdk.__file__).parent)


class _WithoutSdkLines(logging.Filter):
    """Drop the INFO lines that the SDK logs about itself, except for its version.

    Lines such as "Skipping parse of env var settings..." do not help users, and the plugins log
    their own lines with numbers. At the level DEBUG all lines are logged.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to log a record."""
        return (
            record.levelno != logging.INFO
            or not record.pathname.startswith(SDK_FOLDER)
            or record.funcName == "print_version"
            or logging.getLogger().isEnabledFor(logging.DEBUG)
        )


_without_sdk_lines = _WithoutSdkLines()


def quiet_sdk(logger: logging.Logger) -> None:
    """Drop the SDK's lines about itself from a logger.

    Args:
        logger: The logger of the plugin.
    """
    logger.addFilter(_without_sdk_lines)


class PluginArguments(TypedDict, total=False):
    """The arguments of the SDK's plugins."""

    config: dict[str, Any] | PurePath | str | list[PurePath | str] | None
    parse_env_config: bool
    validate_config: bool
    setup_mapper: bool


class TapArguments(PluginArguments, total=False):
    """The arguments of the SDK's `Tap`, except for the catalog."""

    state: PurePath | str | dict[str, Any] | None
    message_writer: GenericSingerWriter[Any, Any] | None


class TargetArguments(PluginArguments, total=False):
    """The arguments of the SDK's `Target`."""

    message_reader: GenericSingerReader[Any] | None


class SingerPlugin(PluginBase):
    """The SDK's plugin class with public hooks for settings and signals."""

    @classproperty
    def _env_var_config(cls) -> dict[str, Any]:  # noqa: N805 - the SDK's own kind of property
        """Replace the SDK's reading of the environment, which raises on a value of a wrong type."""
        schema = cls.config_jsonschema
        cls.append_builtin_config(schema)
        return cls.read_environment(schema)

    @classmethod
    @abstractmethod
    def read_environment(cls, schema: dict[str, Any]) -> dict[str, Any]:
        """Return the settings in environment variables.

        Args:
            schema: The JSON Schema of the settings, with the SDK's settings.
        """

    @classmethod
    def environment_prefix(cls) -> str:
        """Return the prefix of the plugin's environment variables."""
        return str(cls._env_var_prefix)

    @property
    def changeable_config(self) -> dict[str, Any]:
        """The settings as a dict that can be changed during validation. `config` is read-only."""
        return cast("dict[str, Any]", self._config)

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Call `validate_settings`. The SDK's constructor calls this before any use of settings."""
        return self.validate_settings(raise_errors=raise_errors)

    @abstractmethod
    def validate_settings(self, *, raise_errors: bool) -> list[str]:
        """Check the settings, and convert values that have another form.

        Args:
            raise_errors: Whether to raise `ConfigValidationError` if there is a mistake.

        Returns:
            One message for each mistake.
        """

    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """Replace the SDK's signal handler, which drains all sinks and exits with code 0."""
        del frame
        self.handle_signal(signum)

    @abstractmethod
    def handle_signal(self, signum: int) -> None:
        """Stop the run soon after SIGTERM or SIGINT.

        This runs between two instructions of the main thread.

        Args:
            signum: The number of the signal.
        """


class SingerTarget(SingerPlugin, Target):
    """The SDK's target class with public hooks for messages.

    If the SDK renames the methods for messages: `BaseSingerReader.process_lines` shows the new
    names.
    """

    def __init__(self, **arguments: Unpack[TargetArguments]) -> None:
        """Read the settings. This opens and sends nothing.

        Args:
            arguments: The arguments of the SDK's `Target`.
        """
        arguments["message_reader"] = arguments.get("message_reader") or self.make_reader()
        super().__init__(**arguments)

    @abstractmethod
    def make_reader(self) -> GenericSingerReader[Any]:
        """Return the reader of the input. Called before the settings are read."""

    @classmethod
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        """Add the SDK's settings that have a meaning here.

        Its settings `load_method`, `add_record_metadata`, `batch_size_rows` and `validate_records`
        are for tables, so this skips the method of `Target`.
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
        """Take a parsed RECORD message of a stream without a lane in the reader."""

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
        """Create the stream maps and the sinks of a stream, as the SDK does after a SCHEMA.

        Args:
            schema_message: The parsed SCHEMA message.
        """
        super()._process_schema_message(schema_message)

    def keep_state(self, state: Mapping[str, Any]) -> None:
        """Keep a STATE. The SDK writes it when `process_endofpipe` has drained all sinks."""
        self._latest_state = dict(state)

    def _write_state_message(self, state: dict[str, Any]) -> None:
        self.write_state(state)

    def write_state(self, state: dict[str, Any]) -> None:
        """Write a STATE to standard output, where Meltano reads it.

        Raises:
            TemporaryError: The reader of standard output is gone, or the disk is full.
        """
        try:
            super()._write_state_message(state)
        except OSError as error:
            # Python flushes standard output again at exit, and that would raise once more. So
            # standard output now goes to /dev/null.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise TemporaryError(
                f"STATE cannot be written to standard output: {error.strerror}. Was the program "
                "that reads it stopped, or is the disk full? Run again; nothing is counted twice."
            ) from error


class SingerStream(Stream):
    """The SDK's stream class with public hooks for all its output.

    If the SDK renames the methods: `Stream.sync` calls them.
    """

    def log(
        self, message: str, *args: object, level: int = logging.DEBUG, **options: object
    ) -> None:
        """Log the SDK's lines about each stream at the level DEBUG: a tap may have 100 streams.

        This includes its line about an error. The error is raised, and the command logs it.
        """
        if level == logging.ERROR:
            level = logging.DEBUG
        super().log(message, *args, level=level, **options)

    def _sync_records(
        self, context: Context | None = None, *, write_messages: bool = True
    ) -> Generator[dict[str, Any], Any, Any]:
        """Replace the SDK's loop, which takes five times as long for a record as decoding it."""
        del context
        self.write_records(write_messages=write_messages)
        yield from ()

    @abstractmethod
    def write_records(self, *, write_messages: bool) -> None:
        """Write the stream's records.

        Args:
            write_messages: Whether to write RECORD messages. Otherwise records are only counted.
        """

    def _sync_batches(self, batch_config: BatchConfig, context: Context | None = None) -> None:
        """Replace the SDK's loop, whose batches may end in the middle of a file of the bucket."""
        del context
        self.write_batches(batch_config)

    @abstractmethod
    def write_batches(self, batch_config: BatchConfig) -> None:
        """Write the stream's records as files and BATCH messages."""

    def _generate_schema_messages(self) -> Generator[SchemaMessage, None, None]:
        """Add the annotations again, which the SDK's catalog classes have dropped."""
        for message in super()._generate_schema_messages():
            yield replace(message, schema={**message.schema, **self.schema_annotations()})

    def schema_annotations(self) -> dict[str, Any]:
        """Return keys to add to the schema in SCHEMA messages."""
        return {}

    def _write_state_message(self) -> None:
        """Write no STATE at the end of a stream. STATE is only safe between whole files."""

    def write_schema_messages(self) -> None:
        """Write the SCHEMA messages of this stream, after stream maps."""
        self._write_schema_message()

    def mapped_messages(self, record: Record) -> Iterable[RecordMessage]:
        """Return the RECORD messages of a record, after stream maps and selection."""
        return self._generate_record_messages(record)

    def write_mapped(self, record: Record) -> None:
        """Write the RECORD messages of a record, after stream maps and selection."""
        self._write_record_message(record)
