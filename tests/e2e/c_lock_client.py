#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Sends what c-lock's own client sends (github.com/junquera/c-lock, which no distribution has as a package), in words of
# our own: one TCP SYN to each port, in order and without a pause, over IPv4, from a new socket each that is closed at
# once, so that no SYN is repeated.
#
#   c_lock_client.py HOST --pin 123456 [-n 4]
#   c_lock_client.py HOST --secret BASE32
import argparse
import base64
import hashlib
import hmac
import socket
import struct
import time


def hotp(key, counter):
    digest = hmac.new(key, struct.pack(">Q", counter), hashlib.sha1).digest()
    at = digest[-1] & 15
    return (struct.unpack(">I", digest[at : at + 4])[0] & 0x7FFFFFFF) % 1000000


def ports(pin, count):
    seed = struct.pack(">I", pin)[1:]
    return [1024 + hotp(seed, i) * 64512 // 1000000 for i in range(count)]


options = argparse.ArgumentParser()
options.add_argument("host")
options.add_argument("--pin", type=int)
options.add_argument("--secret")
options.add_argument("-n", type=int, default=4)
given = options.parse_args()
pin, count = given.pin, given.n
if given.secret:
    text = given.secret.replace(" ", "").upper()
    pin, count = hotp(base64.b32decode(text + "=" * (-len(text) % 8)), int(time.time()) // 30), 4
for port in ports(pin, count):
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as one:
        one.setblocking(False)
        one.connect_ex((given.host, port))
