"""What the scripts of the Python clients share: steps that are told one by one, and the resources that they send."""

import os
import time

BASE = os.environ["CONCORD_BASE"]
TOKEN = os.environ["CONCORD_TOKEN"]
OWN = f"p{time.time_ns()}"


def patient(family):
    return {
        "resourceType": "Patient",
        "identifier": [{"system": "urn:suite", "value": f"{OWN}-{family}"}],
        "name": [{"family": f"{OWN}{family}", "given": ["Ann"]}],
    }


def run(client, steps):
    """Each step has what the ones before it have left in `made`."""
    made = {}
    for step in steps:
        name = step.__name__.strip("_").replace("_", " ")
        try:
            step(made)
            print(f"pass\t{client}\t{name}")
        except Exception as error:  # whatever a library raises is told
            told = str(error).replace("\n", " ").replace("\t", " ")[:300]
            print(f"fail\t{client}\t{name}\t{type(error).__name__}: {told}")
