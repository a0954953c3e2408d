"""The membership database: members whom Braze acknowledged, and members staged in this run."""
