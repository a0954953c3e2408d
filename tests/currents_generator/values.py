"""Realistic values for every Currents field, by the field's name.

A `Scene` is what one message has in common in all its fields: who, on which device, from which
campaign or Canvas step. Everything is drawn from a `random.Random`, so a seed fixes it all.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

FIRST = "Anna Ben Chloé David Emine Farid Grace Hana Ivo José Kim Liam Mia Noor Oskar Zoë".split()  # noqa: SIM905
LAST = "Adams Baker Çelik Diaz Evans Fischer García Haas Ito Jensen Khan Lopez Müller Ng".split()  # noqa: SIM905
ZONES = ("America/New_York", "America/Chicago", "Europe/Berlin", "Asia/Tokyo", "Australia/Sydney")
DEVICES = {
    "ios": (("iPhone 15 Pro", "iPhone 14", "iPad Air"), ("18.1", "17.6.1", "16.7.10")),
    "android": (("Pixel 8", "SM-G991B", "Redmi Note 12"), ("14", "13", "15")),
    "web": (("Macintosh", "Windows NT 10.0", "X11; Linux x86_64"), ("Mac", "Windows", "Linux")),
}
AGENTS = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 Chrome/130.0.0.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148",
    "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
)
CAMPAIGNS = (
    "Welcome Series - Day 1",
    "Abandoned Cart | Push",
    "Weekly Newsletter 2026-44",
    "Win-back: 30 days inactive",
    "Black Friday 🛍️ Teaser",
    'Herbst-Aktion "Doppelte Punkte"',
    "Order confirmation (transactional)",
)
CANVASES = ("Onboarding Journey", "Loyalty Tier Upgrade", "Trial → Paid", "Post-Purchase Care")
STEPS = ("Welcome Email", "Wait for Session", "Push Reminder", "Final Offer 20%", "Audience Paths")
VARIATIONS = ("Control", "Variant 1", "Variant 2", "Message 1", "Subject A + emoji")
EVENT_NAMES = (
    "added_to_cart",
    "Viewed Product",
    "search",
    "video_completed",
    "Checkout Started",
    "level_up",
    "artículo_guardado",
)
PRODUCTS = ("sku-10293", "SKU 4471/b", "premium_monthly", "gift-card-50", "té-verde-250g")
PRICES = (3.14, 0.99, 9.99, 19.9, 49.0, 129.95, 1234.56, 0.1)


@dataclass(frozen=True)
class User:
    """One app user."""

    user_id: str
    external_user_id: str
    email: str
    phone: str
    timezone: str
    first_name: str
    last_name: str


@dataclass(frozen=True)
class Scene:
    """What the fields of one event have in common."""

    rng: random.Random
    user: User
    platform: str
    from_canvas: bool
    number: int
    """Which campaign or Canvas, from 0: one number always gives the same name and ids."""


def uuid(rng: random.Random) -> str:
    """Give a random version 4 UUID as text."""
    digits = f"{rng.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def object_id(rng: random.Random) -> str:
    """Give 24 hex digits, as Braze's own ids have."""
    return f"{rng.getrandbits(96):024x}"


def users(count: int, rng: random.Random) -> list[User]:
    """Make a population; the same seed and count give the same people."""
    people = []
    for number in range(count):
        first, last = rng.choice(FIRST), rng.choice(LAST)
        people.append(
            User(
                user_id=object_id(rng),
                external_user_id=f"cust-{uuid(rng)}" if number % 3 else f"{1_000_000 + number}",
                email=f"{first}.{last}.{number}@example.com".lower(),
                phone=f"+1555{number % 10_000_000:07d}",
                timezone=rng.choice(ZONES),
                first_name=first,
                last_name=last,
            )
        )
    return people


def properties_text(rng: random.Random, number: int) -> str:
    """Give the JSON text of a custom event's or purchase's properties, of every JSON type."""
    full = {
        "category": rng.choice(("shoes", "books", "café", "日用品")),
        "quantity": rng.randint(1, 9),
        "total": rng.choice(PRICES) * rng.randint(1, 5),
        "is_gift": rng.random() < 0.5,
        "coupon": None,
        "tags": rng.sample(["new", "sale", "summer", 'quo"ted', "a/b"], 3),
        "shipping": {
            "method": "express",
            "cost": rng.choice(PRICES),
            "address": {"country": "DE", "zip": f"{rng.randint(10000, 99999)}"},
        },
        "items": [{"sku": rng.choice(PRODUCTS), "n": rng.randint(1, 3)} for _ in range(2)],
        "viewed_at": "2026-10-31T23:59:59.123Z",
        "big": 9_007_199_254_740_993 + number,
        "page": f"https://shop.example.com/p/{rng.choice(PRODUCTS)}?ref={object_id(rng)}",
    }
    if number % 11 == 10:
        return "{}"
    keys = list(full) if number % 4 == 0 else rng.sample(list(full), rng.randint(4, 9))
    separators = (",", ":") if number % 2 else (", ", ": ")
    return json.dumps({key: full[key] for key in keys}, separators=separators, ensure_ascii=True)


def broken_properties_text(number: int) -> str:
    """Give a text that is no JSON object: an array, a bare value, or no JSON at all."""
    texts = ("[1, 2]", '"text"', "not json", '{"cut": ', "null", "", "3.5")
    return texts[number % len(texts)]


def _fixed(kind: str, number: int) -> str:
    """Give an id that is always the same for one campaign, step, …: eight and more hex digits."""
    digits = f"{abs(hash_text(kind)) * 1_000_003 + number * 7_919:032x}"[-32:]
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def hash_text(text: str) -> int:
    """Give a number for a text, the same in every process."""
    return int.from_bytes(text.encode()[-12:].rjust(12, b"\1"), "big")


def _campaign(make: Callable[[Scene], Any]) -> Callable[[Scene], Any]:
    return lambda scene: None if scene.from_canvas else make(scene)


def _canvas(make: Callable[[Scene], Any]) -> Callable[[Scene], Any]:
    return lambda scene: make(scene) if scene.from_canvas else None


def _one_of(*choices: Any) -> Callable[[Scene], Any]:
    return lambda scene: scene.rng.choice(choices)


def _id_of(kind: str) -> Callable[[Scene], str]:
    return lambda scene: _fixed(kind, scene.number)


def _pick(choices: tuple[str, ...]) -> Callable[[Scene], str]:
    return lambda scene: choices[scene.number % len(choices)]


def _random_object_id(scene: Scene) -> str:
    return object_id(scene.rng)


def _random_uuid(scene: Scene) -> str:
    return uuid(scene.rng)


def _url(scene: Scene) -> str:
    path = scene.rng.choice(("sale", "p/sku-10293", "unsubscribe"))
    return f"https://www.example.com/{path}?utm_source=braze&utm_campaign={scene.number}"


BY_NAME: dict[str, Callable[[Scene], Any]] = {
    "user_id": lambda scene: scene.user.user_id,
    "external_user_id": lambda scene: scene.user.external_user_id,
    "email_address": lambda scene: scene.user.email,
    "channel_identifier": lambda scene: scene.user.email,
    "phone_number": lambda scene: scene.user.phone,
    "to_phone_number": lambda scene: scene.user.phone,
    "user_phone_number": lambda scene: scene.user.phone,
    "from_phone_number": _one_of("+15005550006", "+491525550007"),
    "inbound_phone_number": _one_of("+15005550006", "+491525550007"),
    "timezone": lambda scene: scene.user.timezone,
    "first_name": lambda scene: scene.user.first_name,
    "last_name": lambda scene: scene.user.last_name,
    "platform": lambda scene: scene.platform,
    "os_version": lambda scene: scene.rng.choice(DEVICES[scene.platform][1]),
    "device_model": lambda scene: scene.rng.choice(DEVICES[scene.platform][0]),
    "device_id": _random_uuid,
    "session_id": _random_uuid,
    "app_id": lambda scene: _fixed("app", hash_text(scene.platform)),
    "app_group_id": lambda _scene: _fixed("group", 1)[-24:].replace("-", "0"),
    "ad_id": _random_uuid,
    "ad_id_type": _one_of("ios_idfa", "google_ad_id", "ios_idfv"),
    "campaign_id": _campaign(_id_of("campaign")),
    "campaign_name": _campaign(_pick(CAMPAIGNS)),
    "message_variation_id": _campaign(_id_of("message")),
    "message_variation_name": _campaign(_pick(VARIATIONS)),
    "send_id": _campaign(_random_object_id),
    "canvas_id": _canvas(_id_of("canvas")),
    "canvas_name": _canvas(_pick(CANVASES)),
    "canvas_variation_id": _canvas(_id_of("variation")),
    "canvas_variation_name": _canvas(_pick(VARIATIONS)),
    "canvas_step_id": _canvas(_id_of("step")),
    "canvas_step_name": _canvas(_pick(STEPS)),
    "canvas_step_message_variation_id": _canvas(_id_of("stepmessage")),
    "dispatch_id": _random_object_id,
    "user_agent": _one_of(*AGENTS),
    "url": _url,
    "endpoint_url": _url,
    "short_url": lambda scene: f"https://brz.example.com/{object_id(scene.rng)[:8]}",
    "name": _one_of(*EVENT_NAMES),
    "product_id": _one_of(*PRODUCTS),
    "price": _one_of(*PRICES),
    "currency": _one_of("USD", "EUR", "JPY"),
    "properties": lambda scene: properties_text(scene.rng, scene.rng.randrange(1000)),
    "latitude": lambda scene: round(scene.rng.uniform(-60, 60), 5),
    "longitude": lambda scene: round(scene.rng.uniform(-170, 170), 5),
    "esp": _one_of("SendGrid", "SparkPost", "Amazon SES"),
    "from_domain": _one_of("mail.example.com", "news.example.com"),
    "ip_pool": _one_of("braze_transactional", "main-pool"),
    "sending_ip": lambda scene: f"203.0.113.{scene.rng.randint(1, 254)}",
    "recipient_domain": _one_of("example.com", "example.org"),
    "bounce_reason": _one_of("550 5.1.1 The email account does not exist", "554 spam detected"),
    "machine_open": _one_of(None, "true"),
    "device_class": _one_of("mobile", "desktop"),
    "device_os": _one_of("iOS", "Android", "Mac OS X"),
    "browser": _one_of("Chrome", "Mobile Safari", "Chrome Mobile iOS"),
    "mailbox_provider": _one_of("Gmail", "Outlook", None),
    "suspected_bot_click_reason": _one_of([], ["asn"], ["user_agent", "ip"]),
    "media_urls": _one_of([], ["https://cdn.example.com/a.jpg", "https://cdn.example.com/b.gif"]),
    "message_extras": _one_of('{"experiment":"b","score":0.7}', "", None),
    "country": _one_of("US", "DE", "JP"),
    "language": _one_of("en", "de", "ja"),
    "gender": _one_of("F", "M", "O", None),
    "subscription_status": _one_of("Subscribed", "Unsubscribed", "Opted In"),
    "state_change_source": _one_of("REST API", "sdk", "csv_import"),
    "channel": _one_of("email", "sms", "whats_app"),
    "conversion_behavior": _one_of('{"event_name":"search"}', '{"type":"purchase_any_app"}'),
    "abort_type": _one_of("liquid_abort_message", "quiet_hours", "rate_limit"),
    "abort_log": _one_of("{% abort_message %} was called", "Volume control limit reached"),
    "message_body": _one_of("Hi! Reply STOP to opt out 🙂", "Tu pedido está en camino"),
    "dob": _one_of("1990-02-28", None),
    "custom_attributes": lambda scene: json.dumps({"plan": "gold", "points": scene.number}),
    "in_reply_to": _random_uuid,
}
"""Makers by field name; fields without one get a value of their Avro type."""

_BY_TYPE: dict[str, Callable[[Scene], Any]] = {
    "int": lambda scene: scene.rng.randint(0, 500),
    "long": lambda scene: scene.rng.randint(0, 5_000_000_000),
    "float": lambda scene: round(scene.rng.uniform(0, 1000), 2),
    "double": lambda scene: scene.rng.uniform(0, 1000),
    "boolean": lambda scene: scene.rng.random() < 0.5,
    "array<string>": lambda scene: [f"attribute_{scene.rng.randint(1, 9)}" for _ in range(2)],
    "array<boolean>": lambda scene: [scene.rng.random() < 0.5 for _ in range(2)],
    "array<long>": lambda scene: [1_700_000_000 + scene.rng.randint(0, 9999)],
    "array<double>": lambda scene: [scene.rng.uniform(-5, 5), 0.1],
}


def value_of(name: str, avro_type: str, scene: Scene) -> Any:
    """Make the value of one field; None where the scene has none (a campaign's in a Canvas)."""
    make = BY_NAME.get(name)
    if make is not None:
        return make(scene)
    if avro_type != "string":
        return _BY_TYPE[avro_type](scene)
    if name.endswith("_id"):
        return _fixed(name, scene.number)
    return f"{name.replace('_', ' ')} {scene.number}"


def set_value_of(name: str, avro_type: str, scene: Scene) -> Any:
    """Make a value that is not null, also for a campaign's field in a Canvas and the reverse."""
    value = value_of(name, avro_type, scene)
    for _ in range(20):
        if value is not None:
            return value
        other = Scene(scene.rng, scene.user, scene.platform, not scene.from_canvas, scene.number)
        value = value_of(name, avro_type, scene)
        value = value_of(name, avro_type, other) if value is None else value
    msg = f"no value for {name}"
    raise AssertionError(msg)
