"""Map records to Mixpanel events, and check Mixpanel's rules. Pure: no I/O, no clock."""
