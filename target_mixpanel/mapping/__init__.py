"""From a record to a Mixpanel event, and the rules that it must meet. Pure: no I/O, no clock."""
