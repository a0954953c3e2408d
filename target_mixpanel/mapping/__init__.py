"""From a record to a Mixpanel event, and the rules it must meet. Pure: no I/O and no clock."""
