"""What every plugin's command line does beyond the SDK: one line for a foreseeable mistake."""

from __future__ import annotations

import difflib
import logging
import os
import signal
import sys
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import click
from singer_sdk.configuration._dict_config import TRUTHY, parse_environment_config
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers._classproperty import classproperty
from singer_sdk.plugin_base import JSONSchemaValidator, PluginBase, SingerCommand, _ConfigInput

from braze_mixpanel.errors import ConnectorError, SettingsError, StoppedError
from braze_mixpanel.settings.environment import misspelt_variables, unread_variables
from braze_mixpanel.settings.redaction import protect_logs, secret_values
from braze_mixpanel.singer.line_blocks import discard, is_pipe
from braze_mixpanel.singer.stream_map_errors import setting_up_maps, whole_schema

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jsonschema import ValidationError


LAST_SECONDS = 10.0
"""How long a command that failed goes on reading, so that who writes to it can end in peace."""
_NO_INPUT = ("--about", "--check", "--help", "--input", "--version")
_TRUE_OR_FALSE = frozenset({*TRUTHY, "false", "0", "no", "off", ""})


class OneLineErrorCommand(SingerCommand):
    """A plugin's command that tells a foreseeable error in one line and exits with its code."""

    reads_input = False
    """Whether, without an option that says otherwise, it reads standard input."""

    def main(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Run the command; `--discover` and `--test` fail inside option parsing, so wrap it all."""
        try:
            return super().main(*args, **kwargs)
        except ConfigValidationError as error:
            for line in error.errors:
                self.logger.error(line)  # noqa: TRY400
            code = SettingsError.exit_code
        except ConnectorError as error:
            self.logger.error("%s", error)  # noqa: TRY400
            code = error.exit_code
        if code != StoppedError.exit_code:
            self._let_the_tap_end(kwargs.get("args") or (args and args[0]) or sys.argv[1:])
        sys.exit(code)

    def _let_the_tap_end(self, arguments: Sequence[object]) -> None:
        """Read on for a while: a tap or Meltano that writes to a closed pipe fails with a trace."""
        reads_no_input = any(str(given).startswith(_NO_INPUT) for given in arguments)
        if reads_no_input or not self.reads_input or not is_pipe(sys.stdin):
            return
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, signal.SIG_DFL)
        discard(sys.stdin, LAST_SECONDS)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401
        """Run the command body, with unforeseen errors logged by the SDK's hook."""
        logging.captureWarnings(capture=True)
        sys.excepthook = self.excepthook
        return super(SingerCommand, self).invoke(ctx)


class ConnectorPlugin(PluginBase):
    """Base of the tap and both targets; stands before the SDK's class in their bases."""

    package_name = "braze-mixpanel"
    reads_input = False

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """Give the SDK's command, with one-line errors."""
        command = super().get_singer_command()
        one_line = OneLineErrorCommand(
            name=command.name,
            callback=command.callback,
            context_settings=command.context_settings,
            params=command.params,
            help=command.help,
            logger=cls.logger,
        )
        one_line.reads_input = cls.reads_input
        return one_line

    @classmethod
    def cb_config(cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> Any:  # noqa: ANN401
        """Read `--config`.

        Raises:
            SettingsError: The file is missing or is not JSON.
        """
        try:
            return super().cb_config(ctx, param, value)
        except (OSError, ValueError, TypeError) as error:
            cause = "not a JSON object" if isinstance(error, TypeError) else str(error).rstrip(".")
            msg = (
                f"--config {' '.join(value)}: {cause}. Give a JSON file with the settings, or ENV."
            )
            raise SettingsError(msg) from error

    @classproperty
    def _env_var_config(cls) -> dict[str, Any]:  # noqa: N805 - the SDK's own kind of property
        """Read the settings in the environment; what has the wrong type stays a text.

        The check of all settings then says which it is.
        """
        schema = cls.config_jsonschema
        cls.append_builtin_config(schema)
        return settings_in_environment(schema, cls._env_var_prefix)

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Check the settings, and make the logs mask the secret ones from here on.

        Returns:
            One line for each mistake; no line shows the value of a secret setting.

        Raises:
            ConfigValidationError: There is one, and `raise_errors` asks for it.
        """
        schema = self.config_jsonschema
        self.append_builtin_config(schema)
        self._config.update(read_texts(self._config, schema))
        protect_logs(secret_values(self._config, schema))
        prefix, properties = self._env_var_prefix, schema["properties"]
        unread = ", ".join(unread_variables(prefix, properties, self._config))
        errors, warnings = misspelt_variables(prefix, properties, self._config)
        errors += [
            _describe(error, schema, prefix)
            for error in JSONSchemaValidator(whole_schema(schema)).iter_errors(self._config)
        ]
        errors += _unknown_settings(self._config, schema)
        errors += self.check_settings() if not errors else []
        if unread:
            hint = f"In the environment, but not read: {unread}. Add --config ENV."
            warnings += [] if errors else [hint]
            errors[-1:] = [f"{error} {hint}" for error in errors[-1:]]
        for warning in warnings:
            self.logger.warning(warning)
        if errors and raise_errors:
            raise ConfigValidationError("Config validation failed", errors=errors, schema=schema)
        return errors

    def check_settings(self) -> list[str]:
        """Find what a schema cannot say, such as two settings that need each other.

        Returns:
            One line for each mistake: the setting, what is wrong, what to write instead.
        """
        return []


class CheckablePlugin(ConnectorPlugin):
    """Base of a target that has `--check`."""

    reads_input = True

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """Give the command, with `--check`."""
        command = super().get_singer_command()
        command.params.append(
            click.Option(
                ["--check"],
                is_flag=True,
                expose_value=False,
                callback=cls.cb_check,
                help="Check the settings and try the service, write nothing, and end in seconds.",
            )
        )
        return command

    @classmethod
    def cb_check(cls, ctx: click.Context, param: click.Option, value: bool) -> None:  # noqa: ARG003, FBT001
        """Run `--check` with the settings given beside it, and end."""
        if not value:
            return
        given = ctx.params.get("config") or _ConfigInput()
        click.echo(cls(config=given.config, parse_env_config=given.parse_env).check())
        ctx.exit()

    def setup_mapper(self) -> None:
        """Read the stream maps.

        Raises:
            SettingsError: They cannot be used.
        """
        with setting_up_maps():
            super().setup_mapper()

    @abstractmethod
    def check(self) -> str:
        """Try, within seconds, what a run needs; nothing is written.

        Returns:
            What is good, in one line.

        Raises:
            ConnectorError: What is not.
        """


def settings_in_environment(schema: dict[str, Any], prefix: str) -> dict[str, Any]:
    """Read settings from environment variables, as the SDK does.

    Args:
        schema: The settings.
        prefix: Of the variables' names.

    Returns:
        Those that are set; with its text where that cannot be read as the setting's type.
    """
    found: dict[str, Any] = {}
    for name, definition in schema["properties"].items():
        text = os.environ.get(f"{prefix}{name.upper()}", "")
        if not text:
            continue
        try:
            found |= parse_environment_config({"properties": {name: definition}}, prefix)
        except ValueError:
            found[name] = text
        if isinstance(found.get(name), bool):
            found[name] = text  # the SDK takes any other word for false
    return read_texts(found, schema)


def read_texts(settings: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Read booleans and whole numbers that were given as text.

    Meltano hands over most settings as text (their kind in meltano.yml is string): its own way of
    reading them takes any word for false and ends in a stack trace for what is no number.

    Args:
        settings: Name to value.
        schema: Their JSON Schema.

    Returns:
        The settings; what cannot be read stays the text that it is.
    """
    read = dict(settings)
    for name, value in settings.items():
        types = schema["properties"].get(name, {}).get("type", ())
        if not isinstance(value, str) or "string" in types:
            continue
        if "boolean" in types and value.lower() in _TRUE_OR_FALSE:
            read[name] = value.lower() in TRUTHY
        elif "integer" in types and value.strip().lstrip("-").isdecimal():
            read[name] = int(value)
    return read


def end_at_second_signal(first: object, signum: int) -> None:
    """End the process at once if a signal came before: somebody does not want to wait.

    Args:
        first: The signal that came before; None if none did.
        signum: The signal that has come.
    """
    if first is not None:
        signal.signal(signum, signal.SIG_DFL)
        signal.raise_signal(signum)


def _describe(error: ValidationError, schema: dict[str, Any], env_prefix: str) -> str:
    """Say in one line which setting is wrong and how to mend it."""
    if error.validator == "required" and not error.path:
        given: Any = error.instance
        missing = next(name for name in schema["required"] if name not in given)
        return (
            f"Setting {missing} is missing: {_meaning(schema, missing)} "
            f"Set it in meltano.yml or as {env_prefix}{missing.upper()}."
        )
    name = str(error.path[0]) if error.path else ""
    where = ".".join(str(part) for part in error.path)
    definition = schema["properties"].get(name, {})
    if definition.get("secret"):
        return f"Setting {where} is wrong: it must be of type {error.validator_value}."
    return f"Setting {where} is wrong: {error.message}. {_meaning(schema, name)}".rstrip()


def _meaning(schema: dict[str, Any], name: str) -> str:
    return str(schema["properties"].get(name, {}).get("description", ""))


def _unknown_settings(config: dict[str, Any], schema: dict[str, Any]) -> list[str]:
    known = list(schema["properties"])
    errors = []
    for name in config:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = (
                f"did you mean {close[0]}?" if close else "see --about for the settings there are."
            )
            errors.append(f"Setting {name} does not exist: {hint}")
    return errors
