"""Rows of docs/BEHAVIOUR.md through the gateway: the same verdicts, in the words of this API."""

import pytest

import methods
from methods import caa, dcv

NO = []
LOOKUP, PARAMETER = ["dcv_checker:lookup"], ["dcv_checker:parameter"]
HTTP, REDIRECT, CAA_LOOKUP = ["http"], ["redirect:invalid"], ["caa_checker:lookup"]
COMPLETE, INCOMPLETE = True, False


def http_01(target: str) -> dict:
    return dcv(
        target, "acme-http-01", token=methods.TOKEN, key_authorization=methods.KEY_AUTHORIZATION)


def dns_01(target: str) -> dict:
    return dcv(target, "acme-dns-01", key_authorization_hash=methods.HASH)


def alpn(target: str) -> dict:
    return dcv(target, "acme-tls-alpn-01", key_authorization_hash=methods.HASH_HEX)


def persistent(target: str) -> dict:
    return dcv(
        target, "dns-persistent", issuer_domain_names=["ca.example"],
        expected_account_uri=methods.ACCOUNT)


# Row, request, reasons of which one is given (none where the answer is simply no), error types,
# and whether the checks count as complete.
REFUSED = [
    ("c3", caa("c3.example"), [], NO, COMPLETE),
    ("c8", caa("c8.example"), [], NO, COMPLETE),
    ("c11", caa("*.c11.example"), [], NO, COMPLETE),
    ("c13", caa("c13.example", certificate_type="s-mime"), [], NO, COMPLETE),
    ("c14", caa("absent.forbidden.example"), [], NO, COMPLETE),
    ("c19", caa("www.c19.example"), ["caa_lookup_failed"], CAA_LOOKUP, INCOMPLETE),
    ("c27", caa("c27.example"), ["caa_malformed_rdata", "caa_lookup_failed"], CAA_LOOKUP, INCOMPLETE),
    ("d2", dns_01("d2.example"), ["dnssec_bogus"], LOOKUP, INCOMPLETE),
    ("d15", dns_01("d15.example"), ["dns_alias_limit", "dns_servfail"], LOOKUP, INCOMPLETE),
    ("d23", dns_01("d23.example"), ["dns_refused", "dns_servfail"], LOOKUP, INCOMPLETE),
    ("t2", dns_01("t2b.example"), [], NO, COMPLETE),
    ("t3", dns_01("t3.example"), [], NO, COMPLETE),
    ("t5", dns_01("t5b.example"), ["dns_nxdomain"], LOOKUP, COMPLETE),
    ("t5", dns_01("t5c.example"), ["dns_nodata"], LOOKUP, COMPLETE),
    ("v2", persistent("v2.example"), [], NO, COMPLETE),
    ("v3", persistent("v3.example"), [], NO, COMPLETE),
    ("v3", persistent("t5b.example"), ["dns_nxdomain"], LOOKUP, COMPLETE),
    ("v5", persistent("v5.example"), [], NO, COMPLETE),
    ("k2", dcv("k2.example", "contact-email-txt", challenge_value="a@k2.example"), [], NO, COMPLETE),
    ("k6", dcv("127.0.3.1", "reverse-address-lookup", challenge_value="x.example"), [], NO, COMPLETE),
    ("h2", http_01("h2.example"), [], NO, COMPLETE),
    ("h3", http_01("h3.example"), [], NO, COMPLETE),
    ("h6", http_01("h6.example"), ["http_status"], HTTP, COMPLETE),
    ("h7", http_01("h7.example"), ["http_body_incomplete"], LOOKUP, INCOMPLETE),
    ("h12", http_01("h12.example"), ["redirect_loop"], REDIRECT, COMPLETE),
    ("h15", http_01("h15.example"), ["redirect_scheme"], REDIRECT, COMPLETE),
    ("h16", http_01("h16.example"), ["redirect_port"], REDIRECT, COMPLETE),
    ("h19", http_01("h19.example"), ["addr_blocked"], LOOKUP, COMPLETE),
    ("h24", http_01("t3.example"), ["dns_no_address"], LOOKUP, COMPLETE),
    ("h25", http_01("h25.example"), ["connect_reset", "http_malformed"], LOOKUP, INCOMPLETE),
    ("l2", alpn("l2.example"), ["alpn_missing", "tls_handshake"], LOOKUP, None),
    ("l12", alpn("l12.example"), [], NO, COMPLETE),
    ("s1", http_01("s1.example"), ["addr_blocked"], LOOKUP, COMPLETE),
    ("s5", http_01("s5.example"), [], NO, COMPLETE),
]


@pytest.mark.parametrize(
    "request_,reasons,types,complete", [row[1:] for row in REFUSED],
    ids=[f"{row[0]} {row[1]['domain_or_ip_target']}" for row in REFUSED])
def test_what_does_not_pass_is_refused_with_its_reason(service, request_, reasons, types, complete):
    answer = service.answer(request_)
    assert not answer.is_valid
    if reasons:
        assert answer.reasons and answer.reasons <= set(reasons)
    else:
        assert answer.reasons == set()
    assert answer.error_types == set(types)
    if complete is not None:
        assert {response["check_completed"] for response in answer.responses} == {complete}


PASSING = [
    ("c1", caa("free.example")),
    ("c11", caa("c11.example")),
    ("c15", caa("www.honest.example")),
    ("c30", caa("c30.example")),
    ("c33", caa("127.0.3.1")),
    ("i1", caa("HONEST.example")),
    ("t1", dns_01("alias.example")),
    ("t2", dns_01("t2a.example")),
    ("t7", dcv("octets.example", "dns-change", challenge_value=methods.VALUE[2:-2],
               dns_record_type="TXT")),
    ("v1", persistent("methods.example")),
    ("v7", persistent("*.methods.example")),
    ("v10", persistent("127.0.3.1")),
    ("k4", dcv("www.k4.example", "contact-email-caa", challenge_value="a@k4.example")),
    ("k6", dcv("127.0.3.1", "reverse-address-lookup", challenge_value="METHODS.example.")),
    ("h1", http_01("h1.example")),
    ("h26", http_01("127.0.3.1")),
    ("l1", alpn("l1.example")),
    ("l13", alpn("127.0.3.1")),
]


@pytest.mark.parametrize(
    "request_", [row[1] for row in PASSING],
    ids=[f"{row[0]} {row[1]['domain_or_ip_target']}" for row in PASSING])
def test_what_passes_is_corroborated(service, request_):
    answer = service.answer(request_)
    assert answer.is_valid, answer.body


def test_k4_a_contact_is_found_where_the_climb_ends(service):
    request = dcv("www.k4.example", "contact-email-caa", challenge_value="a@k4.example")
    for response in service.answer(request).responses:
        assert response["details"]["found_at"] == "k4.example"


def test_s5_octets_of_a_site_do_not_reach_a_terminal(service):
    answer = service.answer(http_01("s5.example"))
    for response in answer.responses:
        for error in response["errors"]:
            assert error["error_message"].isprintable()
