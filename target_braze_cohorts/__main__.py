"""`python -m target_braze_cohorts`."""

from target_braze_cohorts.target import TargetBrazeCohorts

TargetBrazeCohorts.cli()
