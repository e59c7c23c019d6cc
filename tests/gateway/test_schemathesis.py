"""Requests that a generator makes of the served document, right and wrong: no failure of the server,
no status and no body that the document does not have."""

import json
import os
import re
import subprocess
import sys

# The same ones each time.
SEED = "20261123"
EXAMPLES = "200"
WITHIN_S = 100
CHECKS = [
    "not_a_server_error", "status_code_conformance", "content_type_conformance",
    "response_headers_conformance", "response_schema_conformance", "unsupported_method",
    "allow_header_conformance", "specified",
]


def test_no_generated_request_gets_a_failure_or_an_answer_that_the_document_lacks(service, tmp_path):
    document = service.bare.get("/openapi.json").json()
    # A JSON Schema cannot tell kinds of parameters apart as `discriminator` does: two are equal.
    kinds = document["components"]["schemas"]["DcvCheckParameters"]
    kinds["anyOf"] = kinds.pop("oneOf")
    kinds.pop("discriminator")
    path = tmp_path / "openapi.json"
    path.write_text(json.dumps(document))
    command = [sys.executable, "-m", "schemathesis.cli", "run", str(path)]
    command += ["--url", service.system["url"], "--header", f"x-api-key: {service.system['key']}"]
    command += ["--checks", ",".join(CHECKS), "--phases", "examples,coverage,fuzzing"]
    command += ["--seed", SEED, "--max-examples", EXAMPLES, "--request-timeout", "35"]
    command += ["--suppress-health-check", "all", "--no-color", "--warnings", "off"]
    variables = {**os.environ, "SCHEMATHESIS_HOOKS": "schemathesis_checks", "PYTHONPATH": os.getcwd()}
    ran = subprocess.run(
        command, cwd=tmp_path, env=variables, timeout=WITHIN_S, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout[-20_000:] + ran.stderr[-5_000:]
    generated = re.search(r"(\d+) generated", ran.stdout)
    assert generated and int(generated[1]) >= 200, ran.stdout[-3_000:]
