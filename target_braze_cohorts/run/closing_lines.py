"""Log the result of a run: a table of all cohorts, and what was left out."""

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
    """Log the plan and the result of a run.

    Args:
        logger: The logger of the plugin.
        result: The plan and the result.
        config: The settings of the target.
        streams: The names of the streams in the input.
        unusable: The number of records whose identifier cannot be used.
        set_aside: The number of records that a stream map could not process, or too large to be
            read.
        people: The people whom a dry run would add and remove. None in a run that sends.
        rejected: The path of the dead letter, or None if nothing was written.
    """
    if result.cohorts and result.is_unchanged:
        logger.info("%s %s", result.unchanged_line(), result.closing_line())
    elif result.cohorts:
        planned = "Plan" if result.dry_run else "Result"
        logger.info("%s for each cohort:\n%s", planned, result.table())
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
