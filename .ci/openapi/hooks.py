"""For schemathesis: what JSON Schema and this service see differently."""

import schemathesis


def whole(value):
    """JSON Schema takes 6.0 for an integer; this service wants it written as 6."""
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
