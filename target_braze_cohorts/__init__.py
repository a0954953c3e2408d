"""Singer target that sends Mixpanel cohorts, and other lists of people, to Braze."""
