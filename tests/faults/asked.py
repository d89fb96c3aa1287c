"""What the tests of the fault server ask it."""

SYSTEM = (
    "You are a help desk. Answer from the passages alone.\n"
    'reply exactly: The documents do not tell.\nbegin with "Do you mean"'
)
PASSAGES = (
    "[1] Refunds\nAn annual plan can be refunded within 30 days. Monthly plans are not refunded.\n\n"
    "[2] Invoices\nSend an invoice by e-mail from its page.\nA deferred invoice is tried again every 15 minutes.\n\n"
    "[3] Pricing\nA plan has a price.\n\n[4] Pricing of seats\nA seat has a price."
)
VERDICT = {
    "type": "object",
    "properties": {
        "grade": {"type": "string", "enum": ["first", "second"]},
        "correct": {"type": "boolean"},
        "reason": {"type": "string"},
        "points": {"type": "array", "items": {"$ref": "#/$defs/point"}, "minItems": 1},
    },
    "required": ["grade", "correct", "reason", "points"],
    "additionalProperties": False,
    "$defs": {"point": {"type": "object", "properties": {"at": {"type": "integer", "minimum": 3}}, "required": ["at"]}},
}
VERDICT_FORM = {"type": "json_schema", "json_schema": {"name": "verdict", "strict": True, "schema": VERDICT}}


def prompt(question):
    return [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": f"Passages:\n{PASSAGES}\n\nQuestion: {question}\n"},
    ]
