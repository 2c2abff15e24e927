"""Predictions as a hostile recording would give them."""

from emofuse.inference.segments import EmotionSegment

LABELS = ("anger", "joy", "sadness")
EVIL = (
    "</script><script>alert(1)</script> \"'&\\N{\\an8} -->\n\n2\n00:00:00,000 --> 00:00:09,000 \u202etxet\x00"
)
EVIL_NAME = 'Ann,\n"<b onmouseover=x()>'


def segment(start: float, end: float | None, label: str = "joy", **changes: object) -> EmotionSegment:
    rest = [other for other in LABELS if other != label]
    probabilities = {name: 0.7 if name == label else 0.2 if name == rest[0] else 0.1 for name in LABELS}
    told: dict[str, object] = {
        "id": f"u{start}",
        "start": start,
        "end": end,
        "label": label,
        "probabilities": probabilities,
        "used": ("text", "audio"),
        "missing": {"video": "no video was given"},
        "speaker": "Ross",
        "text": "I can't believe it!",
        "recording": "/films/a film.mp4",
    }
    return EmotionSegment(**(told | changes))  # type: ignore[arg-type]


def dialogue() -> list[EmotionSegment]:
    """Two speakers; Ross talks over himself, somebody says nothing, and one utterance has no length."""
    alone = {
        "text": {"anger": 0.1, "joy": 0.8, "sadness": 0.1},
        "audio": {"anger": 0.9, "joy": 0.05, "sadness": 0.05},
    }
    return [
        segment(0.5, 2.0, by_modality=alone),
        segment(1.5, 2.5, "anger"),
        segment(2.0, 3.0, "sadness", speaker=EVIL_NAME, text=EVIL),
        segment(3.0, 3.0, "anger", text=None),
        segment(4.0, 5.25, "joy", speaker=EVIL_NAME, novelty={"audio": 2.5}),
    ]
