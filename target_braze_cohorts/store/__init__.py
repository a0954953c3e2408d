"""The membership database: what Braze acknowledged, and the members staged in this run."""
