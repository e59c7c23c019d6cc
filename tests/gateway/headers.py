"""Structured Fields (RFC 9651), as far as the API has them, and what must be in them."""

import base64
import re
import uuid

ITEM = re.compile(
    r'"(?P<text>[^"\\]*)"|(?P<number>-?\d{1,15})(?![.\d])|\?(?P<truth>[01])'
    r"|:(?P<octets>[A-Za-z0-9+/=]*):|(?P<token>[A-Za-z*][A-Za-z0-9_:/.*-]*)"
)
KEY = re.compile(r"[a-z*][a-z0-9_.*-]*")


class Token(str):
    """A bare word; a string stands in quotes."""


class Reader:
    """Reads from the left; raises where the text is not what is read."""

    def __init__(self, text: str):
        self.rest = text

    def take(self, pattern: str):
        found = re.match(pattern, self.rest)
        assert found, f"{self.rest!r} does not begin with {pattern!r}"
        self.rest = self.rest[found.end():]
        return found

    def item(self):
        found = ITEM.match(self.rest)
        assert found, f"{self.rest!r} begins with no item"
        self.rest = self.rest[found.end():]
        kind, value = found.lastgroup, found[found.lastgroup]
        if kind == "octets":
            return base64.b64decode(value, validate=True)
        make = {"number": int, "token": Token, "truth": lambda digit: digit == "1"}
        return make.get(kind, str)(value)

    def member(self):
        if not self.rest.startswith("("):
            return self.item()
        self.take(r"\(")
        items = [self.item()]
        while not self.rest.startswith(")"):
            self.take(" +")
            items.append(self.item())
        self.take(r"\)")
        return items

    def more(self) -> bool:
        if not self.rest:
            return False
        self.take(r"[ \t]*,[ \t]*")
        return True


def read_list(text: str) -> list:
    """A List."""
    reader = Reader(text)
    members = [reader.member()]
    while reader.more():
        members.append(reader.member())
    return members


def read_dictionary(text: str) -> dict:
    """A Dictionary whose members have values."""
    reader = Reader(text)
    members = {}
    while True:
        key = reader.take(KEY.pattern)[0]
        reader.take("=")
        assert key not in members
        members[key] = reader.member()
        if not reader.more():
            return members


def jobs(headers) -> list:
    """The ids of the jobs that were published, oldest first."""
    ids = read_list(headers["mpic-job"]) if "mpic-job" in headers else []
    for text in ids:
        assert type(text) is str and str(uuid.UUID(text)) == text and uuid.UUID(text).version == 7
    assert ids == sorted(set(ids))
    return ids


def check_headers(request: dict, answer: dict, headers) -> None:
    """All that accompanies an answer with status 200."""
    assert headers["content-type"] == "application/json"
    assert headers["cache-control"] == "no-store"
    policy = read_dictionary(headers["mpic-policy"])
    assert list(policy) == ["profile", "date", "remotes", "registries"]
    assert policy["profile"] == "strict" and type(policy["profile"]) is str
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", policy["date"])
    assert policy["remotes"] == (4 if policy["date"] < "2026-12-15" else 5)
    assert policy["registries"] == 2
    actual = answer["actual_orchestration_parameters"]
    if actual["attempt_count"] == 0:
        refused = read_list(headers["mpic-refused"])
        assert all(type(reason) is Token for reason in refused)
        assert "mpic-quorum" not in headers and "mpic-shortfall" not in headers
    else:
        assert "mpic-refused" not in headers
        assert len(jobs(headers)) == actual["attempt_count"]
        _check_decision(answer, headers)
    assert adjusted(headers) == expected_adjustments(request, actual)


def _check_decision(answer: dict, headers) -> None:
    actual = answer["actual_orchestration_parameters"]
    quorum = Reader(headers["mpic-quorum"]).item()
    corroborating, cohort = (int(number) for number in quorum.split("/"))
    assert cohort == actual["perspective_count"] == len(answer["perspectives"])
    passed = [entry["check_response"]["check_passed"] for entry in answer["perspectives"]]
    assert corroborating == sum(passed)
    assert ("mpic-shortfall" in headers) == (not answer["is_valid"])
    if answer["is_valid"]:
        assert corroborating >= actual["quorum_count"]
    else:
        shortfall = read_list(headers["mpic-shortfall"])
        assert shortfall and all(type(reason) is Token for reason in shortfall)
    receipt = read_dictionary(headers["mpic-receipt"])
    assert list(receipt) == ["stream", "seq", "leaf"]
    assert receipt["stream"] == "MPIC_AUDIT" and receipt["seq"] > 0 and len(receipt["leaf"]) == 32


def adjusted(headers) -> dict:
    """What was asked and not used: (asked used)."""
    return read_dictionary(headers["mpic-adjusted"]) if "mpic-adjusted" in headers else {}


def expected_adjustments(request: dict, actual: dict) -> dict:
    """What a request asks for in vain, given what was used."""
    asked = request.get("orchestration_parameters") or {}
    expected = {}
    for name in ["perspective_count", "quorum_count"]:
        if asked.get(name) is not None and int(asked[name]) != actual[name]:
            expected[name] = [int(asked[name]), actual[name]]
    attempts = asked.get("max_attempts")
    used = min(max(int(attempts), 1), 3) if attempts is not None else 1
    if asked.get("cohort_for_single_attempt") is not None:
        used = 1
        expected["cohort_for_single_attempt"] = [int(asked["cohort_for_single_attempt"]), "ignored"]
    if attempts is not None and int(attempts) != used:
        expected["max_attempts"] = [int(attempts), used]
    caa = request.get("caa_check_parameters") or {}
    if request.get("check_type", "caa") == "caa" and caa.get("allow_lookup_failure") in (True, "true"):
        expected["allow_lookup_failure"] = [True, False]
    return expected
