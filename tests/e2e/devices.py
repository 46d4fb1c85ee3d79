#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""devices.py COUNT ETC GID: so many devices with a second factor, four of each user, as keygen would write them; in a
second where keygen takes minutes. Their names sort behind those of devices that a test knocks with."""
import base64
import os
import sys

count, etc, gid = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])


def write(path, text, mode=0o644):
    with open(path, "w", opener=lambda name, flags: os.open(name, flags, mode)) as file:
        file.write(text)
        if mode == 0o640:
            os.fchown(file.fileno(), -1, gid)


os.umask(0o022)
for n in range(count):
    user, device = f"zz{n // 4:05}", f"d{n % 4}"
    if n % 4 == 0:
        write(f"{etc}/users/{user}.yaml", f"name: {user}\nservices: [ssh]\n")
    stem = f"{etc}/credentials/{user}.{device}"
    write(stem + ".yaml", f'user: {user}\ndevice: {device}\nid: "{os.urandom(8).hex()}"\nfactor: hmac\n')
    for kind in ("key", "otp"):
        write(f"{stem}.{kind}", base64.b64encode(os.urandom(32)).decode() + "\n", 0o640)
