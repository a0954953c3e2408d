"""Singer target that sends Braze Currents events, and other streams, to Mixpanel."""
