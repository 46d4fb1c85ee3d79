#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Sends what a capyknock client sends: one JSON object with the user's name and a Fernet token, three times from one
port. Written from the description of its packets.

capyknock_client.py NAME UDPKEY OTPKEY SERVER PORT TARGET TARGET_PORT [TIME]

With "-" for the server the packet is printed, in a line. A last argument is the time that its clock shows."""
import base64
import hashlib
import hmac
import json
import socket
import struct
import sys
import time

from cryptography.fernet import Fernet


def code_of(secret, now):
    digest = hmac.new(base64.b32decode(secret), struct.pack(">Q", int(now) // 30), hashlib.sha1).digest()
    at = digest[-1] & 15
    return "%06d" % ((struct.unpack(">I", digest[at:at + 4])[0] & 0x7fffffff) % 10**6)


def main():
    name, udpkey, otpkey, server, port, target, target_port, *clock = sys.argv[1:]
    now = int(clock[0]) if clock else int(time.time())
    request = {"otpcode": code_of(otpkey, now), "trgsrvip": target, "trgsrvport": target_port, "myip": "",
               "hash": ""}
    token = Fernet(udpkey.encode()).encrypt_at_time(json.dumps(request).encode(), now)
    packet = json.dumps({"usrnm": name, "payload": token.decode()}).encode()
    if server == "-":
        print(packet.decode())
        return
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        for _ in range(3):
            out.sendto(packet, (server, int(port)))


main()
