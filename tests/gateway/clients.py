"""The two kinds of clients of the Open MPIC API, as strict as they come.

One is generated from the published file by a current generator, the other parses with the models of
the reference library. Both must take every answer, and lose nothing of it that they know.
"""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import jsonschema_rs
import open_mpic_core
import yaml

PUBLISHED = Path(__file__).with_name("open-mpic-3.5.0.yaml")


class Published:
    """A client made from the published file, and the file's schemas."""

    def __init__(self, directory: Path):
        """Generates the client below `directory`."""
        package = directory / "published_client"
        command = [sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none"]
        command += ["--path", str(PUBLISHED), "--output-path", str(package)]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        sys.path.insert(0, str(directory))
        self.client = importlib.import_module("published_client.client")
        self.models = importlib.import_module("published_client.models")
        self.post_mpic = importlib.import_module("published_client.api.default.post_mpic")
        document = yaml.safe_load(PUBLISHED.read_text())
        self.schemas = document["components"]["schemas"]

    def request(self, body: dict):
        """The model of a request."""
        model = self.models.DCVParams if body["check_type"] == "dcv" else self.models.CAAParams
        return model.from_dict(body)

    def check_request(self, body: dict) -> None:
        """Raises where the file does not allow this request."""
        self._validator("DCVParams" if body["check_type"] == "dcv" else "CAAParams").validate(body)

    def parse(self, body: dict):
        """The model of an answer; raises where the file or the client does not take it whole."""
        name = "DCVResponse" if body["check_type"] == "dcv" else "CAAResponse"
        self._validator(name).validate(body)
        parsed = getattr(self.models, name).from_dict(body)
        assert parsed.to_dict() == body, "the generated client loses something"
        return parsed

    def _validator(self, name: str):
        components = {"schemas": {key: translated(schema) for key, schema in self.schemas.items()}}
        # A JSON Schema cannot tell kinds of parameters apart as `discriminator` does: two are equal.
        kinds = components["schemas"]["DcvCheckParameters"]
        kinds["anyOf"] = kinds.pop("oneOf")
        root = {"$ref": f"#/components/schemas/{name}", "components": components}
        return jsonschema_rs.Draft202012Validator(root)


def translated(schema):
    """A schema of OpenAPI 3.0 as JSON Schema."""
    if isinstance(schema, list):
        return [translated(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    known = {key: translated(value) for key, value in schema.items() if key not in NOT_JSON_SCHEMA}
    if schema.get("nullable") is True and isinstance(schema.get("type"), str):
        known["type"] = [schema["type"], "null"]
        if "enum" in schema:
            known["enum"] = [*schema["enum"], None]
    return known


NOT_JSON_SCHEMA = {"nullable", "discriminator", "example"}


def library_answer(body: dict):
    """The library's model of an answer; raises where it does not take it, or loses what it knows."""
    dcv = body["check_type"] == "dcv"
    model = open_mpic_core.MpicDcvResponse if dcv else open_mpic_core.MpicCaaResponse
    parsed = model.model_validate_json(json.dumps(body), strict=True)
    kept = parsed.model_dump(mode="json", exclude_unset=True)
    assert_kept(kept, body, "$")
    return parsed


def assert_kept(kept, body, at: str) -> None:
    """Whatever the model has of the body is equal to it."""
    if isinstance(kept, dict):
        assert isinstance(body, dict), at
        for key, value in kept.items():
            # The models put in what is fixed for a method.
            if key in body:
                assert_kept(value, body[key], f"{at}.{key}")
    elif isinstance(kept, list):
        assert isinstance(body, list) and len(kept) == len(body), at
        for index, (value, original) in enumerate(zip(kept, body)):
            assert_kept(value, original, f"{at}[{index}]")
    else:
        assert kept == body, f"{at}: {kept!r} is not {body!r}"
