#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""enroll_many.py DIRECTORY COUNT GROUP [RIGHTS]: users crowd1 to crowdCOUNT with a device each (no second factor), as
"knockctl keygen" enrols them one by one; RIGHTS are more lines for each user's file. Their profiles are
DIRECTORY/crowd/N.yaml. The identity has to be there."""
import base64
import os
import sys

top, count, group = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
rights = sys.argv[4] if len(sys.argv) > 4 else ""
server = open(f"{top}/etc/server_id").read().strip()


def write(path, mode, text):
    with open(path, "w", opener=lambda p, flags: os.open(p, flags, mode)) as file:
        file.write(text)


os.makedirs(f"{top}/crowd", mode=0o700, exist_ok=True)
for n in range(1, count + 1):
    user, ident = f"crowd{n}", os.urandom(8).hex()
    key = base64.b64encode(os.urandom(32)).decode()
    stem = f"{top}/etc/credentials/{user}.key"
    write(f"{top}/etc/users/{user}.yaml", 0o644, f"name: {user}\nservices: [ssh]\nbinding: explicit\n{rights}")
    write(f"{stem}.yaml", 0o644, f'user: {user}\ndevice: key\nid: "{ident}"\nfactor: none\n')
    write(f"{stem}.key", 0o640, f"{key}\n")
    os.chown(f"{stem}.key", -1, group)
    write(f"{top}/crowd/{n}.yaml", 0o600,
          f'hosts: [{user}]\nserver_id: "{server}"\ncredential: "{ident}"\nkey: "{key}"\nfactor: none\n')
