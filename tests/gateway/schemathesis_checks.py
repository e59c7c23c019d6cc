"""What schemathesis checks of every answer beyond the document: the shape that both clients need."""

import schemathesis

import headers
import shape


@schemathesis.check
def specified(ctx, response, case):
    """An answer is as specified throughout, a refusal lists what is wrong, and nothing else is said."""
    assert not response.headers.get("content-encoding")
    if case.path != "/mpic" or case.method.upper() != "POST":
        return
    body = response.json()
    if response.status_code == 200:
        shape.check_answer(case.body, body)
        flat = {name.lower(): values[0] for name, values in response.headers.items()}
        headers.check_headers(case.body, body, flat)
    elif response.status_code == 400:
        assert set(body) == {"error", "validation_issues"} and body["validation_issues"]
    else:
        assert set(body) == {"error"}
