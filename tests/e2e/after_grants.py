# SPDX-License-Identifier: MIT
# after_grants.py SOCKET ADDRESS PORT: asks the daemon for its grants again and again until there are none, and at once
# connects. Prints "open" or "shut".
import json
import socket
import struct
import sys


def take(connection, size):
    data = b""
    while len(data) < size:
        data += connection.recv(size - len(data))
    return data


def grants(path):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        request = json.dumps({"verb": "grants"}).encode()
        connection.sendall(struct.pack(">I", len(request)) + request)
        return json.loads(take(connection, struct.unpack(">I", take(connection, 4))[0]))["grants"]


while grants(sys.argv[1]):
    pass
with socket.socket() as attempt:
    attempt.settimeout(0.15)
    try:
        attempt.connect((sys.argv[2], int(sys.argv[3])))
        print("open")
    except OSError:
        print("shut")
