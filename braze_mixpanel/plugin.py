"""What every plugin's command line does beyond the SDK: one line for a foreseeable mistake."""

from __future__ import annotations

import difflib
import logging
import sys
from typing import TYPE_CHECKING, Any

from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.plugin_base import JSONSchemaValidator, PluginBase, SingerCommand

from braze_mixpanel.errors import ConnectorError, SettingsError
from braze_mixpanel.redaction import protect_logs, secret_values

if TYPE_CHECKING:
    import click
    from jsonschema import ValidationError


class OneLineErrorCommand(SingerCommand):
    """A plugin's command that tells a foreseeable error in one line and exits with its code."""

    def main(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Run the command; `--discover` and `--test` fail inside option parsing, so wrap it all."""
        try:
            return super().main(*args, **kwargs)
        except ConfigValidationError as error:
            for line in error.errors:
                self.logger.error(line)  # noqa: TRY400
            sys.exit(SettingsError.exit_code)
        except ConnectorError as error:
            self.logger.error("%s", error)  # noqa: TRY400
            sys.exit(error.exit_code)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401
        """Run the command body, with unforeseen errors logged by the SDK's hook."""
        logging.captureWarnings(capture=True)
        sys.excepthook = self.excepthook
        return super(SingerCommand, self).invoke(ctx)


class ConnectorPlugin(PluginBase):
    """Base of the tap and both targets; stands before the SDK's class in their bases."""

    package_name = "braze-mixpanel"

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """Give the SDK's command, with one-line errors."""
        command = super().get_singer_command()
        return OneLineErrorCommand(
            name=command.name,
            callback=command.callback,
            context_settings=command.context_settings,
            params=command.params,
            help=command.help,
            logger=cls.logger,
        )

    @classmethod
    def cb_config(cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> Any:  # noqa: ANN401
        """Read `--config`.

        Raises:
            SettingsError: The file is missing or is not JSON.
        """
        try:
            return super().cb_config(ctx, param, value)
        except (OSError, ValueError) as error:
            msg = (
                f"--config {' '.join(value)}: {error}. Give a JSON file with the settings, or ENV."
            )
            raise SettingsError(msg) from error

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Check the settings, and make the logs mask the secret ones from here on.

        Returns:
            One line for each mistake; no line shows the value of a secret setting.

        Raises:
            ConfigValidationError: There is one, and `raise_errors` asks for it.
        """
        schema = self.config_jsonschema
        self.append_builtin_config(schema)
        protect_logs(secret_values(self._config, schema))
        errors = [
            _describe(error, schema, self._env_var_prefix)
            for error in JSONSchemaValidator(schema).iter_errors(self._config)
        ]
        errors += _unknown_settings(self._config, schema)
        errors += self.check_settings() if not errors else []
        if errors and raise_errors:
            raise ConfigValidationError("Config validation failed", errors=errors, schema=schema)
        return errors

    def check_settings(self) -> list[str]:
        """Find what a schema cannot say, such as two settings that need each other.

        Returns:
            One line for each mistake: the setting, what is wrong, what to write instead.
        """
        return []


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
