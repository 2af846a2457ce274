"""PyPI fhirclient (SMART Health IT)."""

from fhirclient import client
from fhirclient.models.binary import Binary
from fhirclient.models.bundle import Bundle
from fhirclient.models.patient import Patient

from steps import BASE, OWN, TOKEN, patient, run

smart = client.FHIRClient(settings={"app_id": "suites", "api_base": BASE})
smart.server.session.headers["Authorization"] = f"Bearer {TOKEN}"
server = smart.server


def create(made):
    made["one"] = Patient(patient("A")).create(server)["id"]
    made["two"] = Patient(patient("B")).create(server)["id"]


def read(made):
    assert Patient.read(made["one"], server).name[0].family == f"{OWN}A"


def update(made):
    found = Patient.read(made["one"], server)
    found.gender = "female"
    assert found.update(server)["gender"] == "female"


def search(_made):
    found = Patient.where({"identifier": f"urn:suite|{OWN}-A"}).perform_resources(server)
    assert len(found) == 1


def paging(_made):
    pages = Patient.where({"family": OWN, "_count": "1"}).perform_resources_iter(server)
    assert len({one.id for one in pages}) == 2


def transaction(_made):
    bundle = Bundle({"resourceType": "Bundle", "type": "transaction", "entry": [
        {"resource": patient("T"), "request": {"method": "POST", "url": "Patient"}}]})
    answer = server.post_json("", bundle.as_json()).json()
    assert answer["entry"][0]["response"]["status"].startswith("201")


def binary(_made):
    made = Binary({"resourceType": "Binary", "contentType": "text/plain", "data": "aGVsbG8="}).create(server)
    assert Binary.read(made["id"], server).data == "aGVsbG8="


def delete(made):
    Patient.read(made["two"], server).delete(server)
    try:
        Patient.read(made["two"], server)
    except Exception:
        return
    raise AssertionError("it is still there")


run("PyPI fhirclient", [create, read, update, search, paging, transaction, binary, delete])
