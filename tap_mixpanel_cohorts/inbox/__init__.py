"""The server that Mixpanel's cohort sync calls, and the database in which it stores the pushes."""
