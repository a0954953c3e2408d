"""The files that a run writes, where the settings say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from braze_mixpanel.files.dead_letter import DeadLetter
from braze_mixpanel.files.run_file import make_run_file
from target_mixpanel.sending.dry_run import DryRun

if TYPE_CHECKING:
    from collections.abc import Mapping


def make_dry_run(config: Mapping[str, Any], name: str) -> DryRun:
    """Return what writes the events of a dry run.

    Args:
        config: The settings.
        name: The plugin's name.
    """
    file = make_run_file(
        config["dry_run_path"],
        name,
        setting="dry_run_path",
        what="The dry run's file",
        options=config.get("path_options"),
    )
    return DryRun(file)


def make_dead_letter(config: Mapping[str, Any], name: str) -> DeadLetter:
    """Return what keeps rejected records; those of a dry run go to a folder beside its events.

    Args:
        config: The settings.
        name: The plugin's name.
    """
    place, setting = config["dead_letter_path"], "dead_letter_path"
    if config["dry_run"]:
        place, setting = f"{config['dry_run_path'].rstrip('/')}/rejected", "dry_run_path"
    return DeadLetter(place, name, options=config.get("path_options"), setting=setting)
