"""What every answer with status 200 must look like, member by member: stricter than either client.

Members beyond those named here are wrong, and so is null where the table does not have it.
"""

import re

COMPLETED, NOT_COMPLETED = True, False
CHECK = {"caa": "caa_check_parameters", "dcv": "dcv_check_parameters"}
ORCHESTRATION = ["perspective_count", "quorum_count", "max_attempts", "cohort_for_single_attempt"]
CAA_PARAMETERS = ["certificate_type", "caa_domains", "allow_lookup_failure"]
DCV_PARAMETERS = [
    "validation_method", "challenge_value", "token", "key_authorization", "key_authorization_hash",
    "http_token_path", "url_scheme", "http_headers", "match_regex", "require_exact_case",
    "require_exact_match", "dns_record_type", "dns_name_prefix", "issuer_domain_names",
    "expected_account_uri",
]
HTTP = ["acme-http-01", "website-change"]
TLS = ["acme-tls-alpn-01"]

TEXT = (str,)
NUMBER = (int,)
NOTHING = type(None)
TEXT_OR_NOTHING = (str, NOTHING)
DETAILS = {
    "caa": {"caa_record_present": (bool,), "found_at": TEXT_OR_NOTHING, "records_seen": (NOTHING,)},
    "http": {
        "validation_method": TEXT,
        "response_history": (list, NOTHING),
        "response_url": TEXT_OR_NOTHING,
        "response_status_code": (int, NOTHING),
        "response_page": TEXT_OR_NOTHING,
        "resolved_ip": TEXT_OR_NOTHING,
    },
    "dns": {
        "validation_method": TEXT,
        "records_seen": (list, NOTHING),
        "response_code": (int, NOTHING),
        "ad_flag": (bool, NOTHING),
        "found_at": TEXT_OR_NOTHING,
        "cname_chain": (list, NOTHING),
    },
    "tls": {"validation_method": TEXT, "common_name": TEXT},
}
REDIRECT = {"response_status_code": NUMBER, "response_url": TEXT, "status_code": NUMBER, "url": TEXT}
ENTRY = {"perspective_code": TEXT, "check_response": (dict,)}
CHECK_RESPONSE = {
    "check_type": TEXT,
    "check_completed": (bool,),
    "check_passed": (bool,),
    "errors": (list,),
    "timestamp_ns": NUMBER,
    "details": (dict,),
}
ERROR = {"error_type": TEXT, "error_message": TEXT}

# Reasons, as regular expressions; in their order, since some depend on the check.
LOOKUP_INCOMPLETE = (
    "dns_timeout|dns_servfail|dns_refused|dns_unreachable|dns_malformed|dns_truncated|"
    "dns_alias_limit|dns_name_too_long|dns_budget|dnssec_.*|connect_.*|http_head_timeout|"
    "http_body_timeout|http_malformed|http_body_incomplete|http_tls|tls_timeout|tls_handshake|"
    "deadline_exceeded"
)
LOOKUP_COMPLETE = (
    "dns_nxdomain|dns_nodata|dns_no_address|addr_blocked|alpn_missing|cert_malformed|"
    "cert_not_self_signed"
)
ALPN = "dcv_checker:tls_alpn:certificate:"
PARAMETER = "job_malformed|method_unknown|method_sunset|method_unsuitable|identifier_.*"
DCV_ERRORS = [
    (LOOKUP_INCOMPLETE, ["dcv_checker:lookup"], NOT_COMPLETED),
    (LOOKUP_COMPLETE, ["dcv_checker:lookup"], COMPLETED),
    (PARAMETER, ["dcv_checker:parameter"], NOT_COMPLETED),
    ("http_status", ["http"], COMPLETED),
    ("redirect_.*|http_challenge_in_request", ["redirect:invalid"], COMPLETED),
    ("cert_extension_missing", [ALPN + "extension_missing"], COMPLETED),
    ("cert_not_critical", [ALPN + "noncritical_alpn_extension"], COMPLETED),
    ("cert_san_count", [ALPN + "no_single_san"], COMPLETED),
    ("cert_san_type", [ALPN + "san_not_dnsname", ALPN + "san_type_not_match"], COMPLETED),
    ("cert_san_mismatch", [ALPN + "san_not_hostname"], COMPLETED),
]
CAA_LOOKUP = f"caa_lookup_failed|caa_tld_nxdomain|caa_too_deep|caa_malformed_rdata|{PARAMETER}"
CAA_ERRORS = [(CAA_LOOKUP, ["caa_checker:lookup"], NOT_COMPLETED)]
REMOTE_CHECK = "mpic_error:coordinator:remote_check"


def members(value: dict, table: dict, at: str) -> None:
    """Exactly these members, of these types; `True` is no integer."""
    assert set(value) == set(table), f"{at} has {sorted(value)}, not {sorted(table)}"
    for name, types in table.items():
        kind = type(value[name])
        assert kind in types, f"{at}.{name} is {kind.__name__}: {value[name]!r}"


def check_answer(request: dict, answer: dict) -> None:
    """The whole body of an answer to a request."""
    check = answer["check_type"]
    parameters = CHECK[check]
    table = {
        "check_type": TEXT,
        "domain_or_ip_target": TEXT,
        "is_valid": (bool,),
        "mpic_completed": (bool,),
        "request_orchestration_parameters": (dict,),
        "actual_orchestration_parameters": (dict,),
        parameters: (dict,),
        "perspectives": (list,),
        "previous_attempt_results": (list,),
    }
    if request.get("trace_identifier") is not None:
        table["trace_identifier"] = TEXT
    members(answer, table, "$")
    _check_echo(request, answer, parameters)
    actual = answer["actual_orchestration_parameters"]
    numbers = dict.fromkeys(["perspective_count", "quorum_count", "attempt_count"], NUMBER)
    members(actual, numbers, "$.actual_orchestration_parameters")
    attempts = [*answer["previous_attempt_results"], answer["perspectives"]]
    method = answer[parameters].get("validation_method")
    for attempt in attempts:
        _check_attempt(attempt, check, method)
    if actual["attempt_count"] > 0:
        assert actual["attempt_count"] == len(attempts)
        assert len(answer["perspectives"]) == actual["perspective_count"]
    _check_outcome(answer)


def _check_echo(request: dict, answer: dict, parameters: str) -> None:
    assert answer["domain_or_ip_target"] == request["domain_or_ip_target"]
    assert answer.get("trace_identifier") == request.get("trace_identifier")
    asked = known(request.get("orchestration_parameters"), ORCHESTRATION)
    asked = {name: int(value) for name, value in asked.items()}
    echoed = answer["request_orchestration_parameters"]
    assert echoed == asked and all(type(value) is int for value in echoed.values())
    names = CAA_PARAMETERS if parameters == CHECK["caa"] else DCV_PARAMETERS
    assert answer[parameters] == known(request.get(parameters), names)


def known(value, names: list) -> dict:
    """The members of these names that are not null."""
    value = value or {}
    return {name: value[name] for name in names if value.get(name) is not None}


def _check_outcome(answer: dict) -> None:
    actual = answer["actual_orchestration_parameters"]
    responses = [entry["check_response"] for entry in answer["perspectives"]]
    passed = sum(response["check_passed"] for response in responses)
    if answer["is_valid"]:
        assert actual["attempt_count"] >= 1
        assert passed >= actual["quorum_count"]
    incomplete = sum(not response["check_completed"] for response in responses)
    allowed = actual["perspective_count"] - actual["quorum_count"]
    asked = actual["attempt_count"] > 0
    assert answer["mpic_completed"] == (asked and incomplete <= allowed)


def _check_attempt(entries: list, check: str, method: str | None) -> None:
    codes = [entry["perspective_code"] for entry in entries]
    assert len(set(codes)) == len(codes), f"{codes}: one twice"
    # Those that answered by code, then the others by code.
    descents = [index for index in range(1, len(codes)) if codes[index] < codes[index - 1]]
    assert len(descents) <= 1, f"{codes}: not in order"
    for entry in entries:
        members(entry, ENTRY, "perspectives[]")
        response = entry["check_response"]
        _check_response(response, check, method)
    for entry in entries[descents[0]:] if descents else []:
        assert not entry["check_response"]["check_completed"], "who answered stands first"


def _check_response(response: dict, check: str, method: str | None) -> None:
    members(response, CHECK_RESPONSE, "check_response")
    assert response["check_type"] == check
    assert response["timestamp_ns"] % 1_000_000 == 0 and response["timestamp_ns"] > 0
    assert response["check_completed"] or not response["check_passed"]
    errors = response["errors"]
    assert len(errors) <= 1
    assert not (response["check_passed"] and errors)
    assert response["check_completed"] or errors, "what is not complete says why"
    for error in errors:
        members(error, ERROR, "errors[]")
        _check_error(error, response, check)
    _check_details(response["details"], check, method)


def _check_error(error: dict, response: dict, check: str) -> None:
    message = error["error_message"]
    assert len(message.encode()) <= 512 and message.isprintable()
    reason = re.match(r"([a-z_0-9]+): ", message)
    assert reason, f"{message!r} begins with no reason"
    rows = DCV_ERRORS if check == "dcv" else CAA_ERRORS
    for pattern, types, completed in rows:
        if re.fullmatch(pattern, reason[1]) and error["error_type"] != REMOTE_CHECK:
            assert error["error_type"].removeprefix("mpic_error:") in types, error
            assert response["check_completed"] == completed, error
            return
    assert error["error_type"] == REMOTE_CHECK, error
    assert not response["check_completed"], error


def kind_of(check: str, method: str | None) -> str:
    """Which details a check has."""
    if check == "caa":
        return "caa"
    return "http" if method in HTTP else "tls" if method in TLS else "dns"


def _check_details(details: dict, check: str, method: str | None) -> None:
    kind = kind_of(check, method)
    members(details, DETAILS[kind], f"details of {kind}")
    if check == "dcv":
        assert details["validation_method"] == method
    if details.get("found_at"):
        assert not details["found_at"].endswith(".")
    for redirect in details.get("response_history") or []:
        members(redirect, REDIRECT, "response_history[]")
        assert redirect["response_status_code"] == redirect["status_code"]
    for name in ["records_seen", "cname_chain"]:
        for text in details.get(name) or []:
            assert type(text) is str
    for target in details.get("cname_chain") or []:
        assert target.endswith(".")
