"""Logs how a run ended: each cohort in a table, and what was left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_braze_cohorts.intake.identity import CONTACTS

if TYPE_CHECKING:
    import logging
    from collections.abc import Collection, Mapping

    from target_braze_cohorts.run.planned_people import PlannedPeople
    from target_braze_cohorts.run.results import RunResult


def log_result(
    logger: logging.Logger,
    result: RunResult,
    *,
    config: Mapping[str, Any],
    streams: Collection[str],
    unusable: int,
    set_aside: int,
    people: PlannedPeople | None,
    rejected: object,
) -> None:
    """Log what was planned and done.

    Args:
        logger: The plugin's logger.
        result: What the run planned and did.
        config: The target's settings.
        streams: Names of the streams of the input.
        unusable: Records whose identifier cannot be used.
        set_aside: Records that no stream map could take, or too large to be read.
        people: Who a dry run would add and remove; None in a run that sends.
        rejected: Where members are that were not delivered; None if there are none.
    """
    if result.cohorts and result.is_unchanged:
        logger.info("%s %s", result.unchanged_line(), result.closing_line())
    elif result.cohorts:
        planned = "What would be done" if result.dry_run else "What was done"
        logger.info("%s with each cohort:\n%s", planned, result.table())
        if people is not None:
            logger.info("%s", people.closing(result))
        logger.info("%s", result.closing_line())
    elif result.plan_seconds:
        logger.warning(
            "The input has no cohorts. Its streams: %s. The target reads the streams %s and %s "
            "(settings cohorts_stream and members_stream).",
            ", ".join(sorted(streams)) or "none",
            config["cohorts_stream"],
            config["members_stream"],
        )
    if unusable:
        logger.warning(
            "Records without a usable %s: %d. Such members are left out, like members without "
            "an identifier.",
            CONTACTS[config["identifier"]],
            unusable,
        )
    if set_aside:
        logger.warning(
            "Records that are too large to be read, or that a stream map cannot take: %d. Nobody "
            "is removed from a list that may lack one of them.",
            set_aside,
        )
    if rejected:
        logger.warning("Members that were not delivered, with the reason: %s", rejected)
