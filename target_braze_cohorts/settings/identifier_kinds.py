"""The kinds of identifiers that Braze knows, by which the setting `identifier` names them."""

from __future__ import annotations

from typing import Final

EXTERNAL_ID: Final = "external_id"
DEVICE_ID: Final = "device_id"
ALIAS: Final = "alias"
EMAIL: Final = "email"
PHONE: Final = "phone"
BRAZE_ID: Final = "braze_id"
KINDS: Final = (EXTERNAL_ID, DEVICE_ID, ALIAS, EMAIL, PHONE, BRAZE_ID)
ONLY_IN_COHORTS: Final = frozenset({DEVICE_ID})
"""Kinds that `/users/track` does not know."""
ONLY_IN_ATTRIBUTES: Final = frozenset({EMAIL, PHONE, BRAZE_ID})
"""Kinds that the partner cohort import does not know."""
