"""Tools of others that read the OpenAPI document or act as a hospital: each told as steps, like those of the clients.

Steps that are listed in judged.tsv fail for a reason that docs/CONFORMANCE.md gives, and are told as `judged`.
"""

import json
import os
import pathlib
import subprocess
import sys

BASE = os.environ["CONCORD_BASE"]
TOKEN = os.environ["CONCORD_TOKEN"]
EXAMPLES = pathlib.Path(os.environ["CONCORD_FHIR_EXAMPLES_FOR_SUITES"])
HERE = pathlib.Path(__file__).parent
RUN = HERE / "run"
ORIGIN = BASE.removesuffix("/fhir")
PROGRAMS = pathlib.Path(sys.executable).parent

# What is looked for. Left out: that whatever fits a schema is accepted, for the rules of R4 and of Concord are more than schemas say.
CHECKS = [
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance", "negative_data_rejection", "unsupported_method", "ignored_auth", "use_after_free",
]

JUDGED = dict(line.split("\t")[:2] for line in (HERE / "judged.tsv").read_text().splitlines() if not line.startswith("#"))


def tell(tool, step, passed, why=""):
    why = " ".join(str(why).split())[:300]
    known = f"{tool}: {step}" in JUDGED
    if passed:
        print(f"pass\t{tool}\t{step}" + ("\tit was judged to fail: take it out of judged.tsv" if known else ""))
    else:
        print(f"{'judged' if known else 'fail'}\t{tool}\t{step}\t{JUDGED.get(f'{tool}: {step}', why)}")


def run(name, *arguments):
    with (RUN / f"{name}.log").open("a") as log:
        return subprocess.run([str(one) for one in arguments], stdout=log, stderr=subprocess.STDOUT, cwd=RUN).returncode


def validator(document):
    from openapi_spec_validator import validate

    try:
        validate(json.loads(document.read_text()))
        tell("openapi-spec-validator", "the document is OpenAPI 3.1", True)
    except Exception as error:  # whatever it finds
        tell("openapi-spec-validator", "the document is OpenAPI 3.1", False, error)


def schemathesis(document):
    report = RUN / "schemathesis.json"
    run("schemathesis", PROGRAMS / "st", "run", document, "--url", ORIGIN, "-H", f"Authorization: Bearer {TOKEN}",
        "--mode", "all", "--phases", "examples,fuzzing", "--max-examples", os.environ.get("SUITES_EXAMPLES", "3"),
        "--generation-deterministic", "--no-shrink", "--continue-on-failure", "--no-color",
        "--request-timeout", "30", "--checks", ",".join(CHECKS), "--report-json-path", report)
    found = json.loads(report.read_text())
    operations = {f"{method.upper()} {path}" for path, item in json.loads(document.read_text())["paths"].items() for method in item}
    failed = {}
    for operation, title in failures(found):
        failed.setdefault(operation, set()).add(title)
    for operation in sorted(operations | set(failed)):
        tell("schemathesis", operation, operation not in failed, "; ".join(sorted(failed.get(operation, []))))


def failures(value):
    """Whatever in the report names an operation and what failed there."""
    if isinstance(value, dict):
        if "operation" in value and "title" in value and "code" in value:
            yield value["operation"], value["title"]
        for one in value.values():
            yield from failures(one)
    elif isinstance(value, list):
        for one in value:
            yield from failures(one)


def sekmet():
    settings = RUN / "sekmet.json"
    settings.write_text(json.dumps({
        "port": 8191, "host": "127.0.0.1", "base_url": "http://127.0.0.1:8191/fhir", "data_dir": str(RUN / "sekmet"),
        "peers": {"concord": {"base_url": BASE, "auth": {"type": "bearer", "token": TOKEN}}},
    }))  # JSON is YAML
    reports = RUN / "scenarios"
    run("sekmet", PROGRAMS / "sekmet", "scenario", "run", "all", "--peer", "concord", "--config", settings, "--report-dir", reports)
    told("sekmet scenarios", reports)
    reports = RUN / "testscripts"
    scripts = sorted(EXAMPLES.glob("TestScript-*.json"))
    run("sekmet", PROGRAMS / "sekmet", "testscript", "run", *scripts, "--peer", "concord", "--config", settings, "--report-dir", reports,
        "--fixtures", EXAMPLES, "--fixture-base", "", "--var", "PatientSearchFamilyName=Chalmers", "--var", "PatientSearchGivenName=Peter")
    told("HL7 TestScripts", reports)


def told(tool, reports):
    for results in sorted(reports.glob("*/results.json")):
        for scenario in json.loads(results.read_text()):
            name, status = scenario["name"], scenario["status"]
            if status == "skipped":
                print(f"skip\t{tool}\t{name}")
                continue
            bad = [step for step in scenario["steps"] if step["status"] in ("failed", "error")]
            tell(tool, name, status == "passed", "; ".join(f"{step['name']}: {step['message']}" for step in bad))


def main():
    RUN.mkdir(exist_ok=True)
    document = pathlib.Path(os.environ["CONCORD_OPENAPI"])
    validator(document)
    sekmet()
    schemathesis(document)


main()
