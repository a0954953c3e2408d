"""What ours is measured against: the SDK's ordinary way, and a bare sketch without any feature.

Written from the SDK's documentation, without a line of the product, so that a mistake there
cannot make both slow.
"""
