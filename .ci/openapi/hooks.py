"""A hook of schemathesis for the one difference between JSON Schema and this service."""

import schemathesis


def whole(value):
    """6.0 is an integer in JSON Schema; this service requires the form 6."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [whole(item) for item in value]
    if isinstance(value, dict):
        return {name: whole(item) for name, item in value.items()}
    return value


@schemathesis.hook
def map_body(context, body):
    return whole(body)
