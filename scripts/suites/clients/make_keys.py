"""Makes the keys of a client of SMART Backend Services: in the folder that is named, private ones to sign with and public ones to register."""

import json
import pathlib
import sys

from jwcrypto import jwk

folder = pathlib.Path(sys.argv[1])
for algorithm, made in {"RS384": {"kty": "RSA", "size": 2048}, "ES384": {"kty": "EC", "crv": "P-384"}}.items():
    key = jwk.JWK.generate(kid=algorithm, alg=algorithm, **made)
    for name, shown, uses in (("private", key.export(as_dict=True), ["sign"]), ("public", key.export_public(as_dict=True), ["verify"])):
        (folder / f"{algorithm}-{name}.json").write_text(json.dumps({"keys": [{**shown, "key_ops": uses}]}), encoding="utf8")
