#!/usr/bin/env python3
"""Checks a running standalone server against its OpenAPI description.

Argument: the path of schemathesis. Its configuration is beside this file.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from e2e import ADA, MOUNT, RELEASE, ask, server  # noqa: E402

API_TOKEN = "sandbox-api-token"
# All operations except the three outside the mount, the deletion of the profile, and the two that
# end tokens.
TESTED = 28
LIMIT = 240


def run(schemathesis, environment, *arguments):
    """Returns its exit code and output. It writes files into its working directory."""
    command = [schemathesis, "--config-file", HERE / "schemathesis.toml", "run", *arguments, "--no-color"]
    with tempfile.TemporaryDirectory() as scratch:
        done = subprocess.run(command, env=environment, cwd=scratch, timeout=LIMIT, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout


def as_described(schemathesis, environment, origin):
    code, printed = run(schemathesis, environment, f"{origin}/openapi.json", "--origin", origin)
    assert code == 0, printed
    tested = re.search(r"Tested: (\d+)", printed)
    assert tested and int(tested[1]) == TESTED, printed
    cases = re.search(r"\d+ generated.*", printed)
    print(f"   {tested[1]} operations answer as described: {cases and cases[0]}")


def wrong_descriptions_are_found(schemathesis, environment, origin):
    """Each of these changed descriptions must fail, so the description is really compared."""
    correct = json.loads(ask(f"{origin}/openapi.json")[2])
    changes = {
        "signUp": ("Undocumented status code",
                   lambda wrong: wrong["paths"]["/profiles"]["post"]["responses"].pop("422")),
        "mintToken": ("Schema-violating request accepted",
                      lambda wrong: wrong["components"]["schemas"]["MintRequest"].update(required=["id"])),
        "getBalances": ("Response violates schema",
                        lambda wrong: wrong["components"]["schemas"]["Balances"].update(required=["no_such_sum"])),
        "listLocations": ("Undocumented status code",
                          lambda wrong: wrong["paths"]["/locations"]["get"]["responses"].pop("401")),
    }
    for operation, (finding, change) in changes.items():
        wrong = json.loads(json.dumps(correct))
        change(wrong)
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(wrong, file)
            file.flush()
            code, printed = run(schemathesis, environment, file.name, "--url", origin + MOUNT,
                                "--include-operation-id", operation, "--phases", "coverage")
        assert code == 1 and finding in printed, f"{operation}: {printed}"
    print(f"   {len(changes)} wrong descriptions are found")


def main():
    schemathesis = sys.argv[1]
    with server([RELEASE, "--listen", "127.0.0.1:0", "--log", "warn"], wait=60) as (url, _, process):
        mint = {"authorization": f"Bearer {API_TOKEN}", "content_type": "application/json"}
        minted = ask(f"{url}/auth/token", "POST", json.dumps({"id": ADA["PROFILE_ID"]}).encode(), **mint)
        environment = os.environ | {
            "API_TOKEN": API_TOKEN,
            "ID_TOKEN": json.loads(minted[2])["data"]["token"],
            "SCHEMATHESIS_HOOKS": "hooks",
            "PYTHONPATH": str(HERE),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        for part in (wrong_descriptions_are_found, as_described):
            part(schemathesis, environment, url.removesuffix(MOUNT))
        assert process.poll() is None


if __name__ == "__main__":
    sys.exit(main())
