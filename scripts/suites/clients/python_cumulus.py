"""PyPI cumulus-fhir-support: a client of SMART Backend Services that signs with a key of its own (private_key_jwt)."""

import asyncio
import json
import os

from cumulus_fhir_support import FhirClient, errors
from steps import run

BASE = os.environ["SUITE_SIGN_IN_BASE"] + "/fhir"
KEYS = {name: os.environ[f"SUITE_{name}_KEYS"] for name in ("RS384", "ES384")}


def client(algorithm, resources, keys=None):
    with open(KEYS[keys or algorithm], encoding="utf8") as file:
        jwks = json.load(file)
    return FhirClient(BASE, resources, smart_client_id=f"system-{algorithm.lower()}", smart_jwks=jwks)


async def read(algorithm, resources, keys=None):
    async with client(algorithm, resources, keys) as server:
        found = await server.request("GET", "Patient?_summary=count")
        return found.json()["total"]


def signed_by_rs384(_made):
    assert asyncio.run(read("RS384", ["Patient"])) > 0


def signed_by_es384(_made):
    assert asyncio.run(read("ES384", ["Patient"])) > 0


def other_key(_made):
    try:
        asyncio.run(read("ES384", ["Patient"], keys="RS384"))
    except errors.RequestError:
        return
    raise AssertionError("another's key is believed")


def more_than_registered(_made):
    try:
        asyncio.run(read("ES384", ["Goal"]))
    except errors.RequestError:
        return
    raise AssertionError("a scope is given that is not registered")


run("PyPI cumulus-fhir-support", [signed_by_rs384, signed_by_es384, other_key, more_than_registered])
