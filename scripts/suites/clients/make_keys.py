"""Makes, in the folder that is named, the keys of a client of SMART Backend Services (private ones to sign with and public ones to
register), and the key by which the server proves to a login service who it is."""

import json
import pathlib
import sys

from jwcrypto import jwk

folder = pathlib.Path(sys.argv[1])
for algorithm, made in {"RS384": {"kty": "RSA", "size": 2048}, "ES384": {"kty": "EC", "crv": "P-384"}}.items():
    key = jwk.JWK.generate(kid=algorithm, alg=algorithm, **made)
    for name, shown, uses in (("private", key.export(as_dict=True), ["sign"]), ("public", key.export_public(as_dict=True), ["verify"])):
        (folder / f"{algorithm}-{name}.json").write_text(json.dumps({"keys": [{**shown, "key_ops": uses}]}), encoding="utf8")
(folder / "login.pem").write_bytes(jwk.JWK.generate(kty="RSA", size=2048).export_to_pem(private_key=True, password=None))
