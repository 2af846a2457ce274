"""PyPI fhirpy (beda.software)."""

from fhirpy import SyncFHIRClient

from steps import BASE, OWN, TOKEN, patient, run

client = SyncFHIRClient(BASE, authorization=f"Bearer {TOKEN}")


def create(made):
    made["one"] = client.resource(**{"resource_type": "Patient", **without_type(patient("A"))})
    made["one"].save()
    made["two"] = client.resource(**{"resource_type": "Patient", **without_type(patient("B"))})
    made["two"].save()
    assert made["one"].id


def without_type(resource):
    return {name: value for name, value in resource.items() if name != "resourceType"}


def read(made):
    assert client.reference("Patient", made["one"].id).to_resource()["name"][0]["family"] == f"{OWN}A"


def update(made):
    made["one"]["gender"] = "female"
    made["one"].save()
    assert client.get("Patient", made["one"].id)["gender"] == "female"


def save_of_some_fields(made):
    made["one"]["gender"] = "male"
    made["one"].save(fields=["gender"])
    assert client.get("Patient", made["one"].id)["gender"] == "male"


def patch(made):
    made["one"].patch(gender="other")
    assert client.get("Patient", made["one"].id)["gender"] == "other"


def get_or_create(made):
    found, created = client.resources("Patient").search(identifier=f"urn:suite|{OWN}-A").get_or_create(
        client.resource(**{"resource_type": "Patient", **without_type(patient("A"))}))
    assert (found.id, created) == (made["one"].id, False)
    fresh, created = client.resources("Patient").search(identifier=f"urn:suite|{OWN}-N").get_or_create(
        client.resource(**{"resource_type": "Patient", **without_type(patient("N"))}))
    assert created and fresh.id != found.id


def conditional_update(made):
    body = {**without_type(patient("A")), "gender": "female"}
    found, created = client.resources("Patient").search(identifier=f"urn:suite|{OWN}-A").update(
        client.resource(**{"resource_type": "Patient", **body}))
    assert (found.id, created) == (made["one"].id, False)


def conditional_patch(made):
    found = client.resources("Patient").search(identifier=f"urn:suite|{OWN}-A").patch(gender="unknown")
    assert (found.id, found["gender"]) == (made["one"].id, "unknown")


def search(made):
    found = client.resources("Patient").search(identifier=f"urn:suite|{OWN}-A").fetch()
    assert [one.id for one in found] == [made["one"].id]
    assert client.resources("Patient").search(family=f"{OWN}B").first().id == made["two"].id
    assert client.resources("Patient").search(family=OWN).count() == 3


def paging(_made):
    assert len({one.id for one in client.resources("Patient").search(family=OWN).limit(1).fetch_all()}) == 3


def transaction(_made):
    answer = client.resource("Bundle", type="transaction", entry=[
        {"resource": patient("T"), "request": {"method": "POST", "url": "Patient"}}])
    done = client.execute("", method="post", data=answer.serialize())
    assert done["entry"][0]["response"]["status"].startswith("201")


def binary(_made):
    made = client.resource("Binary", contentType="text/plain", data="aGVsbG8=")
    made.save()
    assert client.get("Binary", made.id)["data"] == "aGVsbG8="


def delete(made):
    made["two"].delete()
    assert client.resources("Patient").search(family=f"{OWN}B").first() is None


run("PyPI fhirpy", [create, read, update, save_of_some_fields, patch, get_or_create, conditional_update,
                    conditional_patch, search, paging, transaction, binary, delete])
