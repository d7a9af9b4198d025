"""ID tokens. HS256 is signed here; tokens of other algorithms are minted by the server."""
import base64
import hashlib
import hmac
import json
import secrets
import subprocess
import time

PROFILE = "3f0c2f6e-6a57-4f0b-9d3a-0d9a3c1b7f10"
SECRET = secrets.token_hex(20)


def part(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


HEAD = part(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())


def token(profile, life=3600):
    now = int(time.time())
    claims = {"pid": profile, "iat": now, "exp": now + life, "jti": secrets.token_hex(8)}
    signed = HEAD + b"." + part(json.dumps(claims).encode())
    return (signed + b"." + part(hmac.digest(SECRET.encode(), signed, hashlib.sha256))).decode()


def write_tokens(path, count):
    """One token per line. All lines have the same length, which tokens.lua relies on."""
    with open(path, "w") as file:
        file.writelines(token(f"profile-{number:07}") + "\n" for number in range(count))


def write_key(path, algorithm):
    kinds = {
        "ES256": ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
        "EdDSA": ["ED25519"],
        "RS256": ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    }
    argv = ["openssl", "genpkey", "-out", path, "-algorithm", *kinds[algorithm]]
    subprocess.run(argv, check=True, stderr=subprocess.DEVNULL)


def algorithm_of(credential):
    head = credential.split(".")[0]
    return json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))["alg"]
