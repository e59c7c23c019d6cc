"""The answers of the tests before, held field by field against the audit log."""

import base64
import datetime
import json
import os
import subprocess
from pathlib import Path

import pytest
from cryptography import x509

import headers
import shape

SYSTEM = json.loads(Path(os.environ["MPIC_SYSTEM"]).read_text())
MS = 1_000_000


@pytest.fixture(scope="module")
def log() -> dict:
    """Job to its entries by type, as an auditor exports them."""
    command = [SYSTEM["mpic"], "audit", "export", SYSTEM["log"], "--log-key", SYSTEM["log_key"]]
    command += ["--directory", SYSTEM["directory"]]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    entries = {}
    for line in ran.stdout.splitlines():
        entry = json.loads(line)
        assert entry["findings"] == [] and entry["signature"] in ("valid", None), entry["index"]
        of_job = entries.setdefault(entry["body"].get("job"), {})
        of_job.setdefault(entry["type"], []).append(entry)
    return entries


def answers() -> list:
    """Everything that was answered with status 200."""
    return [json.loads(line) for line in Path(SYSTEM["transcript"]).read_text().splitlines()]


def the_only(entries: list):
    """The one entry that there is."""
    (entry,) = entries
    return entry


def test_every_answer_agrees_with_the_record_of_its_job(log):
    decided = refused = 0
    for line in answers():
        answer = line["answer"]
        ids = [job.replace("-", "") for job in headers.jobs(line["headers"])]
        if answer["actual_orchestration_parameters"]["attempt_count"] == 0:
            for job in ids:
                assert the_only(log[job]["refusal"])["body"]["code"] == "invalid"
                assert "decision" not in log[job]
            refused += len(ids)
            continue
        attempts = [*answer["previous_attempt_results"], answer["perspectives"]]
        assert len(attempts) == len(ids)
        for job, attempt in zip(ids, attempts):
            agrees(answer, attempt, the_only(log[job]["decision"]), log[job].get("late", []))
        last_agrees(line, log[ids[-1]]["decision"][0])
        decided += 1
    assert decided > 50 and refused > 0


def last_agrees(line: dict, decision: dict) -> None:
    """What an answer and its headers say of the decision that they rest on."""
    answer, body = line["answer"], decision["body"]
    check = body["checks"][answer["check_type"]]
    assert answer["is_valid"] == (body["outcome"] == "corroborate")
    assert headers.Reader(line["headers"]["mpic-quorum"]).item() == check["quorum"]
    receipt = headers.read_dictionary(line["headers"]["mpic-receipt"])
    assert receipt["leaf"].hex() == decision["leaf"] and receipt["seq"] == decision["seq"]
    policy = headers.read_dictionary(line["headers"]["mpic-policy"])
    at = datetime.datetime.fromtimestamp(body["requested_ms"] / 1000, datetime.timezone.utc)
    assert policy["date"] == at.date().isoformat()
    assert ("mpic-shortfall" in line["headers"]) == bool(check["shortfalls"])


def agrees(answer: dict, attempt: list, decision: dict, late: list) -> None:
    """One attempt, perspective by perspective."""
    body, check = decision["body"], answer["check_type"]
    assert body["ca"] == SYSTEM["ca"] and body["ca_request"] == answer.get("trace_identifier")
    assert body["primary"] == {"perspective": None, "source": "external"}
    assert list(body["checks"]) == [check]
    assert sorted(entry["perspective_code"] for entry in attempt) == sorted(body["cohort"])
    the_job_agrees(answer, body)
    replies = {reply["perspective"]: reply["reply"]["body"] for reply in body["replies"]}
    counted = set(replies)
    for entry in late:
        for reply in entry["body"]["replies"]:
            replies.setdefault(reply["perspective"], reply["reply"]["body"])
    for entry in attempt:
        code, response = entry["perspective_code"], entry["check_response"]
        corroborates = body["checks"][check]["findings"][code] == "corroborate"
        if code in counted:
            assert response["check_passed"] == corroborates, (code, response)
        # A reply that came after the decision may be shown, and changes nothing.
        if code in replies and (code in counted or response["check_completed"]):
            seen = replies[code]["observations"][check]
            observation_agrees(response, seen, check)
        else:
            assert not corroborates and not response["check_completed"]
            assert response["errors"][0]["error_type"] == shape.REMOTE_CHECK
            assert response["timestamp_ns"] == body["decided_ms"] * MS


def the_job_agrees(answer: dict, body: dict) -> None:
    """What was asked on the bus is what the client asked."""
    job = body["assignments"][0]["body"]["job_envelope"]["body"]
    check = answer["check_type"]
    other = "caa" if check == "dcv" else "dcv"
    assert job[check] is not None and job[other] is None
    assert job["primary"] == "external" and job["straggler_wait_ms"] == 300
    wildcard = answer["domain_or_ip_target"].startswith("*.")
    assert job["identifier"].get("wildcard", False) == wildcard
    actual = answer["actual_orchestration_parameters"]
    assert actual["perspective_count"] == len(body["cohort"])
    assert job["remotes"] in (None, actual["perspective_count"])
    # The policy may want more than the job, never less.
    assert (job["corroborations_min"] or 0) <= actual["quorum_count"]
    if check == "dcv":
        assert job["dcv"]["method"] == answer["dcv_check_parameters"]["validation_method"]
    else:
        kind = answer["caa_check_parameters"].get("certificate_type", "tls-server")
        assert job["certificate_type"] == kind
        assert job["issuer_domains"] == ["ca.example"]
        assert job["caa"] == {"account_uris": [], "caa_method_label": None}


def observation_agrees(response: dict, seen: dict, check: str) -> None:
    """What is shown of a remote is what the remote signed."""
    assert response["timestamp_ns"] == seen["ended_ms"] * MS
    assert response["check_passed"] == (seen["verdict"] == "pass")
    assert response["check_completed"] == (seen["verdict"] in ("pass", "fail"))
    if response["errors"]:
        message = response["errors"][0]["error_message"]
        assert message.startswith(f"{seen['reason']}: ")
    details = response["details"]
    if check == "caa":
        caa = seen.get("caa") or {}
        assert details["found_at"] == caa.get("found_at")
        assert details["caa_record_present"] == bool(caa.get("record_count"))
    elif "response_url" in details:
        hops_agree(details, seen.get("http") or [])
    elif "common_name" in details:
        leaf = (seen.get("tls") or {}).get("leaf")
        assert details["common_name"] == (common_name(leaf) if leaf else "")
    else:
        question_agrees(details, seen)


def hops_agree(details: dict, hops: list) -> None:
    """Redirects and the final page."""
    if not hops:
        assert details["response_history"] is None and details["response_url"] is None
        return
    *before, last = hops
    assert details["response_url"] == last["url"]
    assert details["response_status_code"] == last.get("status")
    assert details["resolved_ip"] == hops[0].get("addr_used")
    for redirect, hop in zip(details["response_history"], before):
        assert redirect["response_url"] == hop["url"] and redirect["status_code"] == hop["status"]
        assert redirect["url"] == bytes.fromhex(hop["location"]).decode()
    if details["response_page"] is not None and "body_head" in last:
        shown = base64.b64decode(details["response_page"])
        assert octets_of(last["body_head"])[:100] == shown


def octets_of(text: str) -> bytes:
    """Octets as the export shows them: hex up to 64 of them, else base64."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        return base64.b64decode(text)


def question_agrees(details: dict, seen: dict) -> None:
    """The answer to the method's own question."""
    questions = [question for question in seen.get("dns") or [] if question["purpose"] != "address"]
    if details["response_code"] is None:
        return
    question = questions[-1]
    assert details["response_code"] == question["rcode"]
    assert details["ad_flag"] == (question["dnssec"] == "secure")
    assert details["found_at"] == question["name"]
    targets = [alias["target"] + "." for alias in question.get("chain") or []]
    assert details["cname_chain"] == targets
    if question["qtype"] != "CAA":
        assert len(details["records_seen"]) == question.get("rrset_count", 0)


def common_name(leaf: str) -> str:
    """The common name of a certificate's subject, if it has one."""
    certificate = x509.load_der_x509_certificate(base64.b64decode(leaf))
    names = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return names[0].value if names else ""
