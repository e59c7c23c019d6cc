"""The endpoint under test. Whatever it answers is held against the whole of the specification."""

import dataclasses
import json
import os
from pathlib import Path

import httpx

import clients
import headers
import shape

# Longer than the endpoint may take for anything.
WITHIN_S = 35


@dataclasses.dataclass
class Answer:
    """An answer with status 200, with its headers."""

    body: dict
    headers: httpx.Headers

    @property
    def is_valid(self) -> bool:
        return self.body["is_valid"]

    @property
    def actual(self) -> dict:
        return self.body["actual_orchestration_parameters"]

    @property
    def responses(self) -> list:
        """What the remotes say that answered in time: on a busy machine not all do."""
        responses = [entry["check_response"] for entry in self.body["perspectives"]]
        return [response for response in responses if not is_late(response)]

    @property
    def error_types(self) -> set:
        errors = [error for response in self.responses for error in response["errors"]]
        return {error["error_type"].removeprefix("mpic_error:") for error in errors}

    @property
    def reasons(self) -> set:
        """Why the remotes did not pass, where they say so."""
        errors = [error for response in self.responses for error in response["errors"]]
        return {error["error_message"].split(":")[0] for error in errors}

    @property
    def refused(self) -> list:
        return headers.read_list(self.headers["mpic-refused"])


def is_late(response: dict) -> bool:
    """Whether the decision was made without this remote, which nobody waited for."""
    return any(error["error_message"].startswith("pending:") for error in response["errors"])


class Service:
    """One that knows where the endpoint is and what is right."""

    def __init__(self, system: dict, published: clients.Published):
        self.system = system
        self.published = published
        self.transcript = Path(system["transcript"])
        key = {"x-api-key": system["key"]}
        self.http = httpx.Client(base_url=system["url"], headers=key, timeout=WITHIN_S)
        self.bare = httpx.Client(base_url=system["url"], timeout=WITHIN_S)

    def post(self, body, **more) -> httpx.Response:
        """Asks with the API key; octets are sent as they are."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"content-type": "application/json", **more.pop("headers", {})}
        return self.http.post(more.pop("path", "/mpic"), content=content, headers=given)

    def answer(self, request: dict) -> Answer:
        """Asks, and takes only an answer that is right throughout."""
        response = self.post(request)
        assert response.status_code == 200, f"{request}: {response.status_code} {response.text}"
        return self.checked(request, response)

    def checked(self, request: dict, response: httpx.Response) -> Answer:
        """An answer with status 200 that both kinds of clients take, and that is as specified."""
        body = response.json()
        shape.check_answer(request, body)
        headers.check_headers(request, body, response.headers)
        if "issuer_domain_names" not in body.get("dcv_check_parameters", {}):
            self.published.parse(body)
        clients.library_answer(body)
        line = {"request": request, "answer": body, "headers": dict(response.headers)}
        with self.transcript.open("a") as transcript:
            transcript.write(json.dumps(line) + "\n")
        return Answer(body, response.headers)

    def issues(self, request) -> list:
        """Asks, and takes only a 400 that says what is wrong: pairs of issue type and place."""
        response = self.post(request)
        assert response.status_code == 400, f"{request}: {response.status_code} {response.text}"
        body = response.json()
        assert set(body) == {"error", "validation_issues"}
        assert body["error"] == "request-validation-failed"
        assert 1 <= len(body["validation_issues"]) <= 20
        pairs = []
        for issue in body["validation_issues"]:
            assert set(issue) == {"issue_type", "message", "type", "loc", "msg"}
            assert issue["type"] == issue["issue_type"] and issue["msg"] == issue["message"]
            assert issue["loc"][0] == "body"
            assert all(type(step) in (str, int) for step in issue["loc"])
            pairs.append((issue["issue_type"], ".".join(str(step) for step in issue["loc"][1:])))
        return pairs


def from_environment(published: clients.Published) -> Service:
    """The endpoint that the environment names."""
    return Service(json.loads(Path(os.environ["MPIC_SYSTEM"]).read_text()), published)
