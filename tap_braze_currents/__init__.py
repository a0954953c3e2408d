"""Singer tap for the files that Braze Currents writes to a bucket."""
