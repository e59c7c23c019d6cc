"""What an answer tells of what was seen."""

import base64

import pytest

import methods
from methods import ADDRESS, PASSING, VALUE, caa, changed, dcv


def details(service, request: dict) -> list:
    """The details of every remote that passed, of a request that must pass."""
    answer = service.answer(request)
    assert answer.is_valid
    return [response["details"] for response in answer.responses if response["check_passed"]]


def dns(method: str, seen: list, found_at: str, chain: list, ad: bool = False) -> dict:
    """The details of a DNS method."""
    return {
        "validation_method": method, "records_seen": seen, "response_code": 0, "ad_flag": ad,
        "found_at": found_at, "cname_chain": chain}


def test_a_page_is_shown_by_its_head_and_where_it_came_from(service):
    for seen in details(service, PASSING["acme-http-01"]):
        url = f"http://honest.example/.well-known/acme-challenge/{methods.TOKEN}"
        assert seen == {
            "validation_method": "acme-http-01", "response_history": [], "response_url": url,
            "response_status_code": 200, "resolved_ip": ADDRESS,
            "response_page": base64.b64encode(methods.KEY_AUTHORIZATION.encode()).decode()}


def test_a_redirect_is_shown_for_both_kinds_of_clients(service):
    host, token = "redirect.example", "honest-token"
    request = dcv(
        host, "acme-http-01", token=token, key_authorization=methods.KEY_AUTHORIZATION)
    first = f"http://{host}/.well-known/acme-challenge/{token}"
    last = f"https://honest.example/.well-known/acme-challenge/{token}"
    for seen in details(service, request):
        assert seen["response_history"] == [{
            "response_status_code": 301, "response_url": first, "status_code": 301, "url": last}]
        assert seen["response_url"] == last and seen["response_status_code"] == 200


def test_the_head_of_a_page_is_a_hundred_octets(service):
    request = dcv("long.example", "website-change", http_token_path="/file.txt",
                  challenge_value=VALUE, url_scheme="https")
    for seen in details(service, request):
        page = base64.b64decode(seen["response_page"], validate=True)
        assert len(page) == 100 and page.startswith(b"<html>")
        assert seen["response_url"] == "https://long.example/.well-known/pki-validation/file.txt"


def test_an_error_page_is_shown_too(service):
    answer = service.answer(changed(PASSING["website-change"], http_token_path="another.txt"))
    assert answer.error_types == {"http"}
    for response in answer.responses:
        assert response["check_completed"] and not response["check_passed"]
        assert response["details"]["response_status_code"] == 404
        url = "http://methods.example/.well-known/pki-validation/another.txt"
        assert response["details"]["response_url"] == url


@pytest.mark.parametrize("name,method,found_at,seen,chain,ad", [
    ("acme-dns-01", "acme-dns-01", "_acme-challenge.honest.example", [methods.HASH], [], True),
    ("dns-change TXT", "dns-change", "methods.example", [VALUE], [], False),
    ("dns-change CNAME", "dns-change", "_dnsauth.methods.example", ["a-random-value.ca.example"],
     [], False),
    ("contact-email-txt", "contact-email-txt", "_validation-contactemail.methods.example",
     ["hostmaster@methods.example"], [], False),
    ("contact-email-caa", "contact-email-caa", "methods.example", ["hostmaster@methods.example"],
     [], False),
    ("contact-phone-caa", "contact-phone-caa", "methods.example", ["+1 555 123 4567"], [], False),
    ("reverse-address-lookup", "reverse-address-lookup", "1.3.0.127.in-addr.arpa",
     ["methods.example."], [], False),
])
def test_records_are_shown_as_they_stood(service, name, method, found_at, seen, chain, ad):
    for shown in details(service, PASSING[name]):
        shown["records_seen"] = [record.rstrip(".") for record in shown["records_seen"]]
        expected = dns(method, [record.rstrip(".") for record in seen], found_at, chain, ad)
        assert shown == expected


def test_aliases_are_shown_in_their_order_with_a_final_dot(service):
    request = dcv("alias.example", "acme-dns-01", key_authorization_hash=methods.HASH)
    for seen in details(service, request):
        assert seen["cname_chain"] == ["a.alias.example.", "b.alias.example."]
        assert seen["found_at"] == "_acme-challenge.alias.example"


def test_a_name_that_is_not_there_is_shown_by_its_code(service):
    request = changed(PASSING["dns-change TXT"], dns_name_prefix="_nowhere")
    answer = service.answer(request)
    assert answer.reasons == {"dns_nxdomain"} and answer.error_types == {"dcv_checker:lookup"}
    for response in answer.responses:
        assert response["check_completed"]
        assert response["details"] == {
            "validation_method": "dns-change", "records_seen": [], "response_code": 3,
            "ad_flag": False, "found_at": "_nowhere.methods.example", "cname_chain": []}


def test_records_that_are_no_text_are_escaped(service):
    request = dcv("octets.example", "dns-change", challenge_value=VALUE, dns_record_type="TXT")
    for seen in details(service, request):
        assert sorted(seen["records_seen"]) == sorted([VALUE, r"\xFF\x00x", "naïve"])


def test_a_certificate_is_shown_by_its_common_name(service):
    for seen in details(service, PASSING["acme-tls-alpn-01"]):
        assert seen["validation_method"] == "acme-tls-alpn-01"


def test_a_record_set_of_caa_is_shown_where_it_was_found(service):
    for request, found_at in [
        (caa("honest.example"), "honest.example"),
        (caa("www.honest.example"), "honest.example"),
    ]:
        for seen in details(service, request):
            expected = {"caa_record_present": True, "found_at": found_at, "records_seen": None}
            assert seen == expected
    for seen in details(service, caa("free.example")):
        assert seen == {"caa_record_present": False, "found_at": None, "records_seen": None}


def test_caa_that_prohibits_is_a_complete_check_without_error(service):
    answer = service.answer(caa("forbidden.example"))
    assert not answer.is_valid and answer.body["mpic_completed"]
    assert answer.error_types == set()
    for response in answer.responses:
        assert response["check_completed"] and not response["check_passed"]
        assert response["details"]["caa_record_present"] is True


def test_a_failed_look_up_prohibits_and_says_why(service):
    for request, kind in [
        (caa("servfail.example", allow_lookup_failure=True), "caa_checker:lookup"),
        (dcv("servfail.example", "acme-dns-01", key_authorization_hash=methods.HASH),
         "dcv_checker:lookup"),
    ]:
        answer = service.answer(request)
        assert not answer.is_valid and not answer.body["mpic_completed"]
        assert answer.error_types == {kind}
        assert not any(response["check_completed"] for response in answer.responses)


def test_a_hijacked_route_shows_who_saw_what(service):
    attacker = "NKm4SsnlfQRlK8H7EglhmDmhSnc8ZsdBjW2d-7cmLyI"
    answer = service.answer(dcv("hijacked.example", "acme-dns-01", key_authorization_hash=attacker))
    assert not answer.is_valid and answer.headers["mpic-quorum"] == '"2/6"'
    passed = [response["check_passed"] for response in answer.responses]
    assert sorted(passed) == [False] * 4 + [True] * 2
    assert answer.headers["mpic-shortfall"]
    owner = service.answer(
        dcv("hijacked.example", "acme-dns-01", key_authorization_hash=methods.HASH))
    assert owner.is_valid and owner.headers["mpic-quorum"] == '"4/6"'


def test_hashes_are_read_in_each_form_that_clients_send(service):
    request = PASSING["acme-tls-alpn-01"]
    for text in [methods.HASH_HEX.upper(), methods.HASH, f"{methods.HASH}="]:
        assert service.answer(changed(request, key_authorization_hash=text)).is_valid, text
    # There the text is compared, octet for octet.
    request = PASSING["acme-dns-01"]
    for text in [methods.HASH_HEX, f"{methods.HASH}="]:
        assert not service.answer(changed(request, key_authorization_hash=text)).is_valid, text


def test_an_address_needs_no_caa(service):
    answer = service.answer(caa(ADDRESS))
    assert answer.is_valid
    for response in answer.responses:
        assert response["details"]["caa_record_present"] is False
