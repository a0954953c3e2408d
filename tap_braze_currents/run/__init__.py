"""One run: the planned files in order, their records, and the STATE that covers them."""
