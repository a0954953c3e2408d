"""Create the files that a run writes: the dry run and the dead letter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from braze_mixpanel.files.dead_letter import DeadLetter
from braze_mixpanel.files.run_file import make_run_file
from target_mixpanel.sending.dry_run import DryRun

if TYPE_CHECKING:
    from collections.abc import Mapping


def make_dry_run(config: Mapping[str, Any], name: str) -> DryRun:
    """Return the sender of a dry run.

    Args:
        config: The settings of the target.
        name: The name of the plugin, for the file name.
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
    """Return the dead letter. In a dry run it is in a subfolder `rejected` of `dry_run_path`.

    Args:
        config: The settings of the target.
        name: The name of the plugin, for the file name.
    """
    place, setting = config["dead_letter_path"], "dead_letter_path"
    if config["dry_run"]:
        place, setting = f"{config['dry_run_path'].rstrip('/')}/rejected", "dry_run_path"
    return DeadLetter(place, name, options=config.get("path_options"), setting=setting)
