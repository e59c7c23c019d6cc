"""Every member of a request: what is taken, and what each wrong one is told."""

import copy

import pytest

import methods
import shape
from methods import PASSING, caa, changed, dcv

NAMES = ["acme-http-01", "website-change", "acme-dns-01", "acme-tls-alpn-01", "dns-change TXT",
         "contact-email-txt", "reverse-address-lookup", "dns-persistent"]


def with_member(request: dict, place: str, value) -> dict:
    """A copy with the member at this place set; what is missing on the way is made."""
    request = copy.deepcopy(request)
    parent = request
    *steps, last = place.split(".")
    for step in steps:
        parent = parent.setdefault(step, {})
    parent[last] = value
    return request


CAA = caa("honest.example")
DCV = "dcv_check_parameters."
ORCHESTRATION = "orchestration_parameters."
PARAMETERS = "caa_check_parameters."
WEB, HTTP, DNS = PASSING["website-change"], PASSING["acme-http-01"], PASSING["acme-dns-01"]
ALPN, CHANGE = PASSING["acme-tls-alpn-01"], PASSING["dns-change TXT"]
EMAIL, PERSISTENT = PASSING["contact-email-txt"], PASSING["dns-persistent"]
PHONE_CAA, PTR = PASSING["contact-phone-caa"], PASSING["reverse-address-lookup"]
ADDRESS = methods.ENDED

# A request, the place of the member, its wrong value, and what is said of it.
WRONG = [
    (CAA, "domain_or_ip_target", None, "missing"),
    (CAA, "domain_or_ip_target", 7, "string_type"),
    (CAA, "domain_or_ip_target", ["honest.example"], "string_type"),
    (CAA, "check_type", "other", "enum"),
    (CAA, "check_type", 1, "enum"),
    (CAA, "trace_identifier", 1, "string_type"),
    (CAA, "trace_identifier", "é" * 65, "string_too_long"),
    (CAA, "orchestration_parameters", [], "dict_type"),
    (CAA, "orchestration_parameters", "x", "dict_type"),
    (CAA, ORCHESTRATION + "perspective_count", "six", "int_parsing"),
    (CAA, ORCHESTRATION + "perspective_count", 6.5, "int_parsing"),
    (CAA, ORCHESTRATION + "perspective_count", True, "int_parsing"),
    (CAA, ORCHESTRATION + "perspective_count", [6], "int_parsing"),
    (CAA, ORCHESTRATION + "quorum_count", "", "int_parsing"),
    (CAA, ORCHESTRATION + "quorum_count", {}, "int_parsing"),
    (CAA, ORCHESTRATION + "max_attempts", "1.0", "int_parsing"),
    (CAA, ORCHESTRATION + "cohort_for_single_attempt", "a", "int_parsing"),
    (CAA, "caa_check_parameters", 1, "dict_type"),
    (CAA, "caa_check_parameters", ["ca.example"], "dict_type"),
    (CAA, PARAMETERS + "certificate_type", "code-signing", "enum"),
    (CAA, PARAMETERS + "caa_domains", "ca.example", "list_type"),
    (CAA, PARAMETERS + "caa_domains", {"ca.example": 1}, "list_type"),
    (CAA, PARAMETERS + "caa_domains", ["other.example"], "invalid-caa-domain"),
    (CAA, PARAMETERS + "caa_domains", [""], "invalid-caa-domain"),
    (CAA, PARAMETERS + "allow_lookup_failure", "yes please", "bool_parsing"),
    (CAA, PARAMETERS + "allow_lookup_failure", 2, "bool_parsing"),
    (DNS, "dcv_check_parameters", None, "missing"),
    (DNS, "dcv_check_parameters", [], "dict_type"),
    (DNS, "dcv_check_parameters", "acme-dns-01", "dict_type"),
    (DNS, DCV + "validation_method", None, "union_tag_not_found"),
    (DNS, DCV + "validation_method", "dns-account-01", "union_tag_invalid"),
    (DNS, DCV + "validation_method", "", "union_tag_invalid"),
    (DNS, DCV + "validation_method", 1, "union_tag_invalid"),
    (DNS, DCV + "key_authorization_hash", None, "missing"),
    (DNS, DCV + "require_exact_case", False, "literal_error"),
    (DNS, DCV + "dns_record_type", "CAA", "literal_error"),
    (DNS, DCV + "dns_name_prefix", "_other", "literal_error"),
    (HTTP, DCV + "token", None, "missing"),
    (HTTP, DCV + "token", "", "empty-challenge-value"),
    (HTTP, DCV + "key_authorization", None, "missing"),
    (HTTP, DCV + "key_authorization", "", "empty-challenge-value"),
    (HTTP, DCV + "http_headers", "X-A: b", "dict_type"),
    (HTTP, DCV + "http_headers", {"X-A": ["b"]}, "string_type"),
    (HTTP, DCV + "require_exact_case", False, "literal_error"),
    (ALPN, DCV + "key_authorization_hash", None, "missing"),
    (ALPN, DCV + "key_authorization_hash", "", "invalid-key-authorization-hash"),
    (ALPN, DCV + "key_authorization_hash", "zz" * 32, "invalid-key-authorization-hash"),
    (ALPN, DCV + "key_authorization_hash", "ab" * 31, "invalid-key-authorization-hash"),
    (ALPN, DCV + "key_authorization_hash", "a" * 43 + "+", "invalid-key-authorization-hash"),
    (ALPN, DCV + "require_exact_case", True, "literal_error"),
    (WEB, DCV + "challenge_value", None, "missing"),
    (WEB, DCV + "challenge_value", "", "empty-challenge-value"),
    (WEB, DCV + "http_token_path", None, "missing"),
    (WEB, DCV + "url_scheme", "ftp", "enum"),
    (WEB, DCV + "match_regex", 1, "string_type"),
    (WEB, DCV + "http_headers", {"X-A": None}, "string_type"),
    (WEB, DCV + "require_exact_case", "maybe", "bool_parsing"),
    (CHANGE, DCV + "challenge_value", None, "missing"),
    (CHANGE, DCV + "dns_record_type", None, "missing"),
    (CHANGE, DCV + "dns_record_type", "PTR", "enum"),
    (CHANGE, DCV + "dns_record_type", "txt", "enum"),
    (CHANGE, DCV + "require_exact_match", "1.5", "bool_parsing"),
    (EMAIL, DCV + "challenge_value", None, "missing"),
    (EMAIL, DCV + "challenge_value", "", "empty-challenge-value"),
    (EMAIL, DCV + "dns_name_prefix", "_other", "literal_error"),
    (EMAIL, DCV + "dns_record_type", "CAA", "literal_error"),
    (EMAIL, DCV + "require_exact_case", True, "literal_error"),
    (PHONE_CAA, DCV + "dns_name_prefix", "_validation-contactphone", "literal_error"),
    (PTR, DCV + "challenge_value", None, "missing"),
    (PTR, DCV + "dns_record_type", "A", "literal_error"),
    (PTR, DCV + "dns_name_prefix", "_x", "literal_error"),
    (ADDRESS, DCV + "dns_record_type", None, "missing"),
    (ADDRESS, DCV + "dns_record_type", "TXT", "enum"),
    (ADDRESS, DCV + "dns_name_prefix", "_x", "literal_error"),
    (PERSISTENT, DCV + "issuer_domain_names", None, "missing"),
    (PERSISTENT, DCV + "issuer_domain_names", "ca.example", "list_type"),
    (PERSISTENT, DCV + "issuer_domain_names", [], "value_error"),
    (PERSISTENT, DCV + "issuer_domain_names", ["other.example"], "value_error"),
    (PERSISTENT, DCV + "issuer_domain_names", [""], "value_error"),
    (PERSISTENT, DCV + "expected_account_uri", None, "missing"),
    (PERSISTENT, DCV + "expected_account_uri", "no uri", "value_error"),
    (PERSISTENT, DCV + "expected_account_uri", "/relative", "value_error"),
    (PERSISTENT, DCV + "dns_name_prefix", "_other", "literal_error"),
]


@pytest.mark.parametrize(
    "request_,place,value,issue", WRONG,
    ids=[f"{issue} {place} {value!r}"[:60] for _, place, value, issue in WRONG])
def test_a_wrong_member_is_named_with_what_is_wrong(service, request_, place, value, issue):
    issues = service.issues(with_member(request_, place, value))
    assert issues[0][0] == issue, issues
    assert issues[0][1].startswith(place), issues
    assert len(issues) == 1, issues


def test_several_wrong_members_are_all_named_and_no_value_is(service):
    request = with_member(CAA, ORCHESTRATION + "quorum_count", "a-secret")
    request = with_member(request, PARAMETERS + "caa_domains", ["b-secret.example"])
    request["trace_identifier"] = 17
    kinds = {kind for kind, _ in service.issues(request)}
    assert kinds == {"int_parsing", "invalid-caa-domain", "string_type"}
    assert "secret" not in service.post(request).text


def test_no_more_than_twenty_issues_are_listed(service):
    wrong = [f"{number}.other.example" for number in range(40)]
    issues = service.issues(with_member(CAA, PARAMETERS + "caa_domains", wrong))
    assert 1 <= len(issues) <= 20


def test_texts_that_clients_know_are_kept(service):
    def message(request):
        return service.post(request).json()["validation_issues"][0]["message"]

    counts = with_member(CAA, "orchestration_parameters", {"perspective_count": 7})
    assert message(counts) == "Invalid perspective count: 7"
    counts = with_member(CAA, "orchestration_parameters", {"perspective_count": 4, "quorum_count": 5})
    assert message(counts) == "Invalid quorum count: 5"
    assert message(changed(WEB, challenge_value="")) == "Empty challenge value."


# What is taken although the published file would have it otherwise; it is echoed as it came.
LENIENT = {
    "booleans as text": with_member(CAA, PARAMETERS + "allow_lookup_failure", "false"),
    "numbers as header values": changed(HTTP, http_headers={"X-Request": 7, "X-Other": ""}),
    "an exact match as text": changed(CHANGE, require_exact_match="true"),
}


@pytest.mark.parametrize("name", LENIENT)
def test_what_the_published_file_forbids_but_can_be_understood_is_taken(service, name):
    response = service.post(LENIENT[name])
    assert response.status_code == 200, response.text
    shape.check_answer(LENIENT[name], response.json())
    assert response.json()["is_valid"]


# What is taken although it is not in its plainest form.
TAKEN = {
    "members that nobody knows": {**CAA, "unknown": {"deep": [1, {"a": None}]}},
    "nulls": {**CAA, "trace_identifier": None, "orchestration_parameters": None,
              "caa_check_parameters": None},
    "empty objects": {**CAA, "orchestration_parameters": {}, "caa_check_parameters": {}},
    "nulls in them": {**CAA, "orchestration_parameters": {"perspective_count": None},
                      "caa_check_parameters": {"caa_domains": None, "certificate_type": None}},
    "digits and decimals": {**CAA, "orchestration_parameters": {
        "perspective_count": "6", "quorum_count": 4.0}},
    "issuer domains in another case": with_member(CAA, PARAMETERS + "caa_domains", ["CA.Example"]),
    "no issuer domains": with_member(CAA, PARAMETERS + "caa_domains", []),
    "a trace of 128 octets": {**CAA, "trace_identifier": "é" * 64},
    "the other check's object": {**CAA, "dcv_check_parameters": {"validation_method": "nonsense"}},
    "upper case": {**CAA, "domain_or_ip_target": "HONEST.Example"},
    "a leading slash": changed(WEB, http_token_path="/file.txt"),
    "an empty regular expression": changed(WEB, match_regex=""),
    "a regular expression": changed(WEB, match_regex="^a-random"),
    "an empty prefix": changed(CHANGE, dns_name_prefix=""),
    "fixed values": changed(
        EMAIL, dns_name_prefix="_validation-contactemail", dns_record_type="TXT",
        require_exact_case=False),
    "an exact match": changed(CHANGE, require_exact_match=True),
    "another case where it is free": changed(
        CHANGE, challenge_value=methods.VALUE.upper(), require_exact_case=False),
}


@pytest.mark.parametrize("name", TAKEN)
def test_what_can_be_understood_is_taken(service, name):
    assert service.answer(TAKEN[name]).is_valid


@pytest.mark.parametrize("name", NAMES)
def test_the_check_is_told_by_the_parameters_where_it_is_not_named(service, name):
    request = {key: value for key, value in PASSING[name].items() if key != "check_type"}
    answer = service.answer(request)
    assert answer.is_valid and answer.body["check_type"] == "dcv"


def test_no_parameters_of_validation_mean_caa(service):
    answer = service.answer({"domain_or_ip_target": "honest.example"})
    assert answer.is_valid and answer.body["check_type"] == "caa"


def test_two_kinds_of_parameters_need_the_name_of_the_check(service):
    request = {**DNS, "caa_check_parameters": {}}
    assert service.answer(request).body["check_type"] == "dcv"
    del request["check_type"]
    assert service.issues(request) == [("missing", "check_type")]


def test_a_trace_identifier_has_no_controls(service):
    for text in ["a\nb", "a\0b", "\x7f"]:
        ((_, place),) = service.issues({**CAA, "trace_identifier": text})
        assert place == "trace_identifier"


# Targets that are no identifiers, or not for the method: an answer, and it is no.
NO_IDENTIFIERS = {
    "1.2.3.256": "identifier_syntax",
    "010.8.8.8": "identifier_syntax",
    "8.8.8": "identifier_syntax",
    "0x8.8.8.8": "identifier_syntax",
    "134744072": "identifier_syntax",
    "fe80::1%eth0": "identifier_syntax",
    "[2600::1": "identifier_syntax",
    "": "identifier_syntax",
    "a_b.example": "identifier_syntax",
    "honest.example.": "identifier_syntax",
    "a..example": "identifier_syntax",
    "-a.example": "identifier_syntax",
    "*.*.example": "identifier_syntax",
    "nul\0.example": "identifier_syntax",
    "new\nline.example": "identifier_syntax",
    "https://honest.example/": "identifier_syntax",
    "honest.example:443": "identifier_syntax",
    "\U0001f4a9\u202e.example": "identifier_syntax",
    "a" * 64 + ".example": "identifier_syntax",
    ".".join(["a" * 60] * 5): "identifier_syntax",
}

# Identifiers that no remote asks the network about.
RESERVED = {
    "a.local": "identifier_reserved_name",
    "10.0.0.1": "identifier_reserved_ip",
    "::ffff:8.8.8.8": "identifier_reserved_ip",
    "[2001:db8::1]": "identifier_reserved_ip",
}


@pytest.mark.parametrize("target", RESERVED)
def test_a_target_outside_the_public_internet_is_a_no(service, target):
    for request, kind in [
        (caa(target), "caa_checker:lookup"),
        (dcv(target, "acme-http-01", token="t", key_authorization="t.k"), "dcv_checker:parameter"),
    ]:
        answer = service.answer(request)
        assert not answer.is_valid and not answer.body["mpic_completed"]
        assert answer.reasons == {RESERVED[target]} and answer.error_types == {kind}


@pytest.mark.parametrize("target", NO_IDENTIFIERS, ids=lambda target: ascii(target)[:40])
def test_a_target_that_is_no_identifier_is_a_no(service, target):
    answer = service.answer(caa(target))
    assert not answer.is_valid and answer.actual["attempt_count"] == 0
    assert answer.refused == [NO_IDENTIFIERS[target]]
    answer = service.answer(dcv(target, "acme-dns-01", key_authorization_hash=methods.HASH))
    assert not answer.is_valid and answer.refused == [NO_IDENTIFIERS[target]]


@pytest.mark.parametrize("request_", [
    dcv("*.methods.example", "acme-http-01", token="t", key_authorization="t.k"),
    dcv("*.methods.example", "website-change", http_token_path="f", challenge_value="v" * 20),
    dcv("*.methods.example", "acme-tls-alpn-01", key_authorization_hash=methods.HASH_HEX),
    dcv(methods.ADDRESS, "dns-change", challenge_value="v" * 20, dns_record_type="TXT"),
    dcv(methods.ADDRESS, "acme-dns-01", key_authorization_hash=methods.HASH),
    dcv("methods.example", "reverse-address-lookup", challenge_value="a.example"),
], ids=lambda request: request["dcv_check_parameters"]["validation_method"])
def test_a_target_that_does_not_suit_the_method_is_a_no(service, request_):
    answer = service.answer(request_)
    assert not answer.is_valid and answer.actual["attempt_count"] == 0
    assert answer.refused == ["method_unsuitable"]
    assert answer.reasons == {"method_unsuitable"}
    assert answer.error_types == {"dcv_checker:parameter"}


@pytest.mark.parametrize("target,at", [
    ("*.methods.example", "methods.example"), ("METHODS.example", "methods.example")])
def test_a_wildcard_is_looked_at_where_the_methods_of_the_dns_look(service, target, at):
    answer = service.answer({**CHANGE, "domain_or_ip_target": target})
    assert answer.is_valid
    assert answer.responses[0]["details"]["found_at"] == at


def test_a_reverse_name_is_the_address_that_it_names(service):
    answer = service.answer({**PTR, "domain_or_ip_target": "1.3.0.127.in-addr.arpa"})
    assert answer.is_valid and answer.body["domain_or_ip_target"] == "1.3.0.127.in-addr.arpa"


# Values whose rules the coordinator alone knows; it refuses them by name.
REFUSED = [
    (WEB, DCV + "match_regex", "("),
    (WEB, DCV + "match_regex", "(?<=a)b"),
    (WEB, DCV + "match_regex", r"(a)\1"),
    (WEB, DCV + "http_token_path", "../secret"),
    (WEB, DCV + "http_token_path", "a/../../b"),
    (WEB, DCV + "http_token_path", "a%2e"),
    (WEB, DCV + "http_token_path", "a?b"),
    (WEB, DCV + "http_headers", {"Host": "other.example"}),
    (WEB, DCV + "http_headers", {"X-A": "b\r\nX-B: c"}),
    (WEB, DCV + "http_headers", {"bad name": "b"}),
    (HTTP, DCV + "token", "../x"),
    (HTTP, DCV + "token", "a/b"),
    (HTTP, DCV + "http_headers", {"Cookie": "a=b"}),
    (CHANGE, DCV + "dns_name_prefix", "dcv"),
    (CHANGE, DCV + "dns_name_prefix", "_a._b"),
    (CHANGE, DCV + "dns_name_prefix", "_" + "a" * 64),
]


@pytest.mark.parametrize(
    "request_,place,value", REFUSED, ids=[f"{place} {value!r}" for _, place, value in REFUSED])
def test_a_value_that_breaks_its_own_rules_is_named(service, request_, place, value):
    issues = service.issues(with_member(request_, place, value))
    assert all(at.startswith(place) for _, at in issues), issues
    assert str(value) == "" or len(str(value)) < 6 or str(value) not in str(issues)


def test_a_path_that_holds_the_challenge_is_no_proof(service):
    request = changed(WEB, http_token_path=f"{methods.VALUE}.txt")
    response = service.post(request)
    assert response.status_code == 400 or not response.json()["is_valid"]
