"""Rows of docs/BEHAVIOUR.md through the gateway: the same verdicts, in the words of this API."""

import pytest

import methods
from methods import caa, changed, dcv

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


def change(target: str, **parameters) -> dict:
    given = {"challenge_value": methods.VALUE, "dns_record_type": "TXT", **parameters}
    return dcv(target, "dns-change", **given)


def contact(target: str, kind: str, value: str) -> dict:
    return dcv(target, f"contact-{kind}", challenge_value=value)


WEB = methods.PASSING["website-change"]
ONION = "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion"

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
    ("i6", caa("*.co.uk"), ["identifier_public_suffix"], CAA_LOOKUP, INCOMPLETE),
    ("i7", dns_01("a.internal"), ["identifier_reserved_name"], PARAMETER, INCOMPLETE),
    ("i8", caa(ONION), ["identifier_onion"], CAA_LOOKUP, INCOMPLETE),
    ("i9", caa("8.8.8.8.in-addr.arpa"), ["identifier_reserved_name"], CAA_LOOKUP, INCOMPLETE),
    ("i12", caa("224.0.0.1"), ["identifier_reserved_ip"], CAA_LOOKUP, INCOMPLETE),
    ("i13", http_01("*.h1.example"), ["method_unsuitable"], PARAMETER, INCOMPLETE),
    *[(name[:-8].rstrip("abc"), caa(name), [], NO, COMPLETE) for name in [
        "c2a.example", "c2c.example", "c4c.example", "c5a.example", "c5b.example", "c6a.example",
        "c11b.example", "c13a.example"]],
    ("c12", caa("*.c12.example"), [], NO, COMPLETE),
    ("c13", caa("c13c.example", certificate_type="s-mime"), [], NO, COMPLETE),
    ("c15", caa("www.c15b.example"), [], NO, COMPLETE),
    ("c16", caa("www.c16.example"), [], NO, COMPLETE),
    ("c16", caa("two.c16.example"), [], NO, COMPLETE),
    ("c17", caa("www.c17b.example"), [], NO, COMPLETE),
    ("t7", change("t7.example", require_exact_match=True), [], NO, COMPLETE),
    ("t7", change("t7.example", challenge_value=methods.VALUE.upper()), [], NO, COMPLETE),
    ("t10", change("www.t10.example", dns_record_type="CAA"), ["dns_nodata"], LOOKUP, COMPLETE),
    *[(name[:2], persistent(name), [], NO, COMPLETE) for name in [
        "v2a.example", "v2b.example", "v3b.example", "v3c.example", "v4a.example", "v4b.example",
        "v6.example", "*.v7.example"]],
    ("k1", contact("k1.example", "email-txt", "USER@k1.example"), [], NO, COMPLETE),
    ("k2", contact("k2b.example", "email-txt", "a@k2b.example"), [], NO, COMPLETE),
    ("k2", contact("k2c.example", "phone-txt", "+15551234567"), [], NO, COMPLETE),
    ("k3", contact("k3b.example", "phone-txt", "+15551234567"), [], NO, COMPLETE),
    ("k3", contact("k3c.example", "phone-txt", "+15551234567"), [], NO, COMPLETE),
    ("k3", contact("k3d.example", "phone-txt", "+15551234567"), [], NO, COMPLETE),
    ("k4", contact("www.k4b.example", "email-caa", "a@k4b.example"), [], NO, COMPLETE),
    ("h2", http_01("h2b.example"), [], NO, COMPLETE),
    ("h2", http_01("h2c.example"), [], NO, COMPLETE),
    ("h5", http_01("h5c.example"), ["http_status"], HTTP, COMPLETE),
    ("h6", http_01("h6a.example"), ["http_status"], HTTP, COMPLETE),
    ("h6", http_01("h6b.example"), ["http_status"], HTTP, COMPLETE),
    ("h9", changed(WEB, challenge_value=methods.VALUE.upper()), [], NO, COMPLETE),
    ("h9", changed(WEB, match_regex="^nothing-like-it$"), [], NO, COMPLETE),
    ("h11", http_01("h11c.example"), ["redirect_status"], REDIRECT, COMPLETE),
    ("h11", http_01("h11d.example"), ["http_status"], HTTP, COMPLETE),
    ("h13", http_01("h13a.example"), ["redirect_location"], REDIRECT, COMPLETE),
    ("h13", http_01("h13b.example"), ["redirect_location"], REDIRECT, COMPLETE),
    ("h15", http_01("h15b.example"), ["redirect_scheme"], REDIRECT, COMPLETE),
    ("h19", http_01("h19b.example"), ["addr_blocked"], LOOKUP, COMPLETE),
    ("h19", http_01("h19c.example"), ["addr_blocked"], LOOKUP, COMPLETE),
    ("h22", http_01("h22.example"), ["redirect_host"], REDIRECT, COMPLETE),
    ("h28", {**WEB, "domain_or_ip_target": "h28.example"}, ["http_challenge_in_request"],
     REDIRECT, COMPLETE),
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
    ("i2", caa("b\u00fccher.example")),
    *[(name[:-8].rstrip("abc"), caa(name)) for name in [
        "c2b.example", "c4a.example", "c4b.example", "c6b.example", "c7a.example", "c7b.example",
        "c9.example", "c10a.example", "c10b.example", "*.c11b.example", "c12.example"]],
    ("c13", caa("c13a.example", certificate_type="s-mime")),
    ("c13", caa("c13b.example", certificate_type="s-mime")),
    ("c15", caa("www.c15a.example")),
    ("c17", caa("www.c17a.example")),
    ("t4", dns_01("t4.example")),
    ("t7", change("t7.example")),
    ("t7", change(
        "t7.example", challenge_value=methods.VALUE.upper(), require_exact_case=False)),
    ("t8", change("methods.example", dns_record_type="CNAME", dns_name_prefix="_dnsauth",
                  challenge_value="A-RANDOM-VALUE.ca.example.")),
    ("t10", change("t10.example", dns_record_type="CAA")),
    ("t10", change("alias.t10.example", dns_record_type="CAA")),
    *[(name[:2], persistent(name)) for name in [
        "v1b.example", "v5b.example", "v7.example", "v8.example", "v9.example"]],
    ("k1", contact("k1.example", "email-txt", "user@K1.EXAMPLE")),
    ("k3", contact("k3a.example", "phone-txt", "+15551234567")),
    *[(name[:-9], http_01(name)) for name in [
        "h5a.example", "h5b.example", "h11a.example", "h11b.example", "h14a.example",
        "h14b.example"]],
    ("h9", changed(WEB, challenge_value=methods.VALUE.upper(), require_exact_case=False)),
    ("h20", http_01("h20.example")),
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
