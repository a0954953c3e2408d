"""Singer target: Mixpanel cohorts, and other lists of people, to Braze."""
