"""The server that Mixpanel's cohort sync calls, and the database in which it keeps what came."""
