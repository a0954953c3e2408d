"""The base classes of all plugins: one-line errors, exit codes, checked settings, `--check`."""

from __future__ import annotations

import logging
import os
import signal
import sys
from typing import TYPE_CHECKING, Any, ClassVar

import click
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.plugin_base import SingerCommand

from braze_mixpanel.clean_text import one_line
from braze_mixpanel.errors import ConnectorError, SettingsError, StoppedError
from braze_mixpanel.sdk import SingerPlugin, quiet_sdk
from braze_mixpanel.settings.dotted_keys import (
    find_ambiguous_maps,
    join_keys_of_objects,
    join_keys_of_texts,
    restore_stream_maps,
)
from braze_mixpanel.settings.environment import misspelt_variables, unread_variables
from braze_mixpanel.settings.mistakes import find_mistakes
from braze_mixpanel.settings.reading import read_texts, settings_in_environment
from braze_mixpanel.settings.redaction import (
    masked,
    protect_logs,
    secret_values,
    secrets_in_environment,
)
from braze_mixpanel.singer.line_blocks import discard, is_pipe
from braze_mixpanel.singer.stop_clock import stop_clock
from braze_mixpanel.singer.stream_map_errors import setting_up_maps
from braze_mixpanel.summary.content import RunFacts
from braze_mixpanel.summary.writer import SummaryWriter, find_summary_problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from braze_mixpanel.sdk import ConfigInput
    from braze_mixpanel.summary.writer import Summarized

LAST_SECONDS = 10.0
"""The seconds that a failed command reads on, so that the tap can end normally."""
GRACE_SECONDS = 10.0
"""The default for the seconds that a command may take to end after a signal."""
_NO_INPUT = ("--about", "--check", "--help", "--input", "--version")
_NO_RUN = ("--about", "--check", "--dump", "--help", "--test", "--version")


_SIGNS_OF_TEXT = "{=\"'\n"
"""Seldom in the name of a file, and in settings of any form."""
_MOST_CHARACTERS = 2000
"""The most characters of an error."""


def _shown(error: str) -> str:
    return one_line(masked(error), _MOST_CHARACTERS)


class OneLineErrorCommand(SingerCommand):
    """A plugin's command that logs an expected error in one line and exits with its code."""

    def __init__(
        self,
        command: click.Command,
        logger: logging.Logger,
        *,
        reads_input: bool,
        grace_seconds: float,
    ) -> None:
        """Take over the SDK's command.

        Args:
            command: The SDK's.
            logger: The plugin's.
            reads_input: Whether, without an option that says otherwise, it reads standard input.
            grace_seconds: How long it may take to end after a signal.
        """
        super().__init__(
            name=command.name,
            callback=command.callback,
            context_settings=command.context_settings,
            params=command.params,
            help=command.help,
            logger=logger,
        )
        self._reads_input, self._grace_seconds = reads_input, grace_seconds
        self._plugin: Summarized | None = None

    def take_plugin(self, plugin: Summarized) -> None:
        """Keep the plugin that this command runs, for the summary at its end."""
        self._plugin = plugin

    def main(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Run the command, and handle all errors.

        `--discover` and `--test` run while options are parsed, so the whole command is wrapped.
        """
        arguments = [*map(str, kwargs.get("args") or (args and args[0]) or sys.argv[1:])]
        summary = SummaryWriter()
        try:
            with stop_clock(self.name or "", self._grace_seconds):
                result = super().main(*args, **kwargs)
        except ConfigValidationError as error:
            mistakes, code = error.errors, SettingsError.exit_code
        except ConnectorError as error:
            mistakes, code = [str(error)], error.exit_code
        except SystemExit as error:  # click ends every command with SystemExit
            code = error.code if isinstance(error.code, int) else int(error.code is not None)
            self._summarize(summary, arguments, code, f"Exit code {code}." if code else None)
            raise
        except BaseException as error:
            cause = f"Unexpected error, {type(error).__name__}: see the log."
            self._summarize(summary, arguments, 1, cause)
            raise
        else:
            self._summarize(summary, arguments, 0, None)
            return result
        self._summarize(summary, arguments, code, " ".join(mistakes))
        for mistake in mistakes:  # after the summary: the last line of a failed run is its cause
            self.logger.error("%s", _shown(mistake))
        if code != StoppedError.exit_code:
            self._let_the_tap_end(arguments)
        sys.exit(code)

    def _summarize(
        self, summary: SummaryWriter, arguments: Sequence[str], code: int, cause: str | None
    ) -> None:
        """Write the summary of a run. A failed discovery counts as a run, because Meltano ends."""
        only_asks = any(given.startswith(_NO_RUN) for given in arguments)
        only_asks |= not code and any(given.startswith("--discover") for given in arguments)
        if self._plugin is not None and not only_asks:
            summary.write(self._plugin, code, cause)

    def _let_the_tap_end(self, arguments: Sequence[str]) -> None:
        """Read on for a while. A tap that writes to a closed pipe would fail with a stack trace."""
        reads_no_input = any(given.startswith(_NO_INPUT) for given in arguments)
        if reads_no_input or not self._reads_input or not is_pipe(sys.stdin):
            return
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, signal.SIG_DFL)
        discard(sys.stdin, LAST_SECONDS)

    def invoke(self, ctx: click.Context) -> object:
        """Run the body of the command. The SDK's hook logs unexpected errors."""
        logging.captureWarnings(capture=True)
        sys.excepthook = self.excepthook
        return super(SingerCommand, self).invoke(ctx)


class ConnectorPlugin(SingerPlugin):
    """Base of the taps and of `ConnectorTarget`; stands before the SDK's class in their bases."""

    package_name = "braze-mixpanel"
    reads_input = False
    most_seconds_to_stop = GRACE_SECONDS
    """The most seconds that the command takes to end after SIGTERM, also if a server is slow."""
    dotted_texts: ClassVar[tuple[str, ...]] = ()
    """Settings that are objects of texts and whose keys may have dots, see `dotted_keys`."""
    dotted_objects: ClassVar[tuple[str, ...]] = ()
    """Settings that are objects of objects and whose keys may have dots, see `dotted_keys`."""

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """Return the SDK's command, with one-line errors and a short log."""
        quiet_sdk(cls.logger)
        return OneLineErrorCommand(
            super().get_singer_command(),
            cls.logger,
            reads_input=cls.reads_input,
            grace_seconds=cls.most_seconds_to_stop,
        )

    @classmethod
    def cb_config(
        cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]
    ) -> ConfigInput:
        """Return the value of `--config`.

        Raises:
            SettingsError: The file is missing or is not JSON.
        """
        try:
            return super().cb_config(ctx, param, value)
        except (OSError, ValueError, TypeError) as error:
            is_text = any(sign in part for part in value for sign in _SIGNS_OF_TEXT)
            cause = str(error).rstrip(".")
            if isinstance(error, TypeError):
                cause = "not a JSON object"
            elif is_text:  # settings may hold secrets, so they are not shown
                cause = "not the name of a file"
            shown = "(text)" if is_text else " ".join(value)
            msg = f"--config {shown}: {cause}. Give a JSON file with the settings, or ENV."
            raise SettingsError(msg) from error

    @classmethod
    def read_environment(cls, schema: dict[str, Any]) -> dict[str, Any]:
        """Return the settings in the environment.

        A value of a wrong type stays text, and the check of the settings reports it.
        """
        return settings_in_environment(schema, cls.environment_prefix())

    def validate_settings(self, *, raise_errors: bool) -> list[str]:
        """Check the settings, and mask secret settings in the logs from now on.

        Args:
            raise_errors: Whether to raise if there is a mistake.

        Returns:
            One message for each mistake. No message shows the value of a secret setting.

        Raises:
            ConfigValidationError: There is a mistake, and `raise_errors` is True.
        """
        context = click.get_current_context(silent=True)
        if context is not None and isinstance(context.command, OneLineErrorCommand):
            context.command.take_plugin(self)
        schema, config = self.config_jsonschema, self.changeable_config
        self.append_builtin_config(schema)
        texts = read_texts(config, schema)
        config.clear()
        config.update(self._with_whole_keys(texts))
        protect_logs(secret_values(config, schema) | secrets_in_environment(os.environ))
        prefix, properties = self.environment_prefix(), schema["properties"]
        unread = ", ".join(unread_variables(prefix, properties, config))
        errors, warnings = misspelt_variables(prefix, properties, config)
        errors += find_mistakes(config, schema, prefix)
        maps = config.get("stream_maps")
        errors += find_ambiguous_maps(maps if isinstance(maps, dict) else {}, os.environ)
        errors += self.check_settings() if not errors else []
        errors += filter(None, [find_summary_problem(config)])
        if unread:
            hint = f"In the environment, but not read: {unread}. Add --config ENV."
            warnings += [] if errors else [hint]
            errors[-1:] = [f"{error} {hint}" for error in errors[-1:]]
        for warning in warnings:
            self.logger.warning(warning)
        if errors and raise_errors:
            raise ConfigValidationError("Config validation failed", errors=errors, schema=schema)
        return errors

    def setup_mapper(self) -> None:
        """Read the stream maps.

        Raises:
            SettingsError: They cannot be used.
        """
        with setting_up_maps():
            super().setup_mapper()

    def run_facts(self) -> RunFacts:
        """Return the figures of the run for the summary. Called also before the run has begun."""
        return RunFacts()

    @classmethod
    def _with_whole_keys(cls, config: dict[str, Any]) -> dict[str, Any]:
        """Return the settings with the keys joined that Meltano has split at their dots."""
        restore = {
            "stream_maps": restore_stream_maps,
            **dict.fromkeys(cls.dotted_texts, join_keys_of_texts),
            **dict.fromkeys(cls.dotted_objects, join_keys_of_objects),
        }
        return {
            name: restore[name](value) if name in restore and isinstance(value, dict) else value
            for name, value in config.items()
        }

    def check_settings(self) -> list[str]:
        """Return mistakes that the JSON Schema cannot find, such as settings that need each other.

        Returns:
            One message for each mistake: the setting, what is wrong, and what to write instead.
        """
        return []
