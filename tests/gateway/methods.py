"""A request of every method that the small Internet of `mpic up` answers as it wants it."""

import copy

TOKEN = "honest-token"
KEY_AUTHORIZATION = "honest-token.honest-thumbprint"
# SHA-256 of the key authorization.
HASH = "6rltRZA4FTPA2ozpaJCFbuqkwFpoW36oXKg0zSlNRxM"
HASH_HEX = "eab96d4590381533c0da8ce96890856eeaa4c05a685b7ea85ca834cd294d4713"
VALUE = "a-random-value-of-32-characters"
ACCOUNT = "https://ca.example/acct/1"
ADDRESS = "127.0.3.1"


def caa(target: str, **parameters) -> dict:
    """A request for CAA."""
    request = {"check_type": "caa", "domain_or_ip_target": target}
    return {**request, "caa_check_parameters": parameters} if parameters else request


def dcv(target: str, method: str, **parameters) -> dict:
    """A request for domain control validation."""
    parameters = {"validation_method": method, **parameters}
    return {
        "check_type": "dcv", "domain_or_ip_target": target, "dcv_check_parameters": parameters}


def changed(request: dict, **parameters) -> dict:
    """The same request with other parameters; nil takes one away."""
    request = copy.deepcopy(request)
    for name, value in parameters.items():
        request["dcv_check_parameters"][name] = value
        if value is None:
            del request["dcv_check_parameters"][name]
    return request


PASSING = {
    "acme-http-01": dcv(
        "honest.example", "acme-http-01", token=TOKEN, key_authorization=KEY_AUTHORIZATION),
    "website-change": dcv(
        "methods.example", "website-change", http_token_path="file.txt", challenge_value=VALUE),
    "acme-dns-01": dcv("honest.example", "acme-dns-01", key_authorization_hash=HASH),
    "acme-tls-alpn-01": dcv("honest.example", "acme-tls-alpn-01", key_authorization_hash=HASH_HEX),
    "dns-change TXT": dcv(
        "methods.example", "dns-change", challenge_value=VALUE, dns_record_type="TXT"),
    "dns-change CNAME": dcv(
        "methods.example", "dns-change", challenge_value="a-random-value.ca.example",
        dns_record_type="CNAME", dns_name_prefix="_dnsauth"),
    "dns-change CAA": dcv(
        "methods.example", "dns-change", challenge_value=VALUE, dns_record_type="CAA",
        dns_name_prefix="_caa"),
    "contact-email-txt": dcv(
        "methods.example", "contact-email-txt", challenge_value="hostmaster@methods.example"),
    "contact-phone-txt": dcv(
        "methods.example", "contact-phone-txt", challenge_value="+1-555-123-4567"),
    "contact-email-caa": dcv(
        "methods.example", "contact-email-caa", challenge_value="hostmaster@methods.example"),
    "contact-phone-caa": dcv(
        "methods.example", "contact-phone-caa", challenge_value="+1 555 123 4567"),
    "reverse-address-lookup": dcv(
        ADDRESS, "reverse-address-lookup", challenge_value="methods.example"),
    "dns-persistent": dcv(
        "methods.example", "dns-persistent", issuer_domain_names=["ca.example"],
        expected_account_uri=ACCOUNT),
}

# Those in the published file.
PUBLISHED = {name: request for name, request in PASSING.items() if name != "dns-persistent"}

# The same, but what must be seen is not there: what changes, and the reasons that remotes give.
# A value that is another gives none, since there the answer is simply no.
FAILING = {
    "acme-http-01": ({"key_authorization": "honest-token.other-thumbprint"}, set()),
    "website-change": ({"http_token_path": "another.txt"}, {"http_status"}),
    "acme-dns-01": ({"key_authorization_hash": HASH.lower()}, set()),
    "acme-tls-alpn-01": ({"key_authorization_hash": HASH_HEX[::-1]}, set()),
    "dns-change TXT": ({"challenge_value": "b-random-value-of-32-characters"}, set()),
    "dns-change CNAME": ({"dns_name_prefix": "_elsewhere"}, {"dns_nxdomain"}),
    "dns-change CAA": ({"challenge_value": "b-random-value-of-32-characters"}, set()),
    "contact-email-txt": ({"challenge_value": "postmaster@methods.example"}, set()),
    "contact-phone-txt": ({"challenge_value": "+1-555-123-4568"}, set()),
    "contact-email-caa": ({"challenge_value": "postmaster@methods.example"}, set()),
    "contact-phone-caa": ({"challenge_value": "+1-555-123-4568"}, set()),
    "reverse-address-lookup": ({"challenge_value": "others.example"}, set()),
    "dns-persistent": ({"expected_account_uri": "https://ca.example/acct/2"}, set()),
}

# The Baseline Requirements ended it.
ENDED = dcv("methods.example", "ip-address", challenge_value=ADDRESS, dns_record_type="A")
