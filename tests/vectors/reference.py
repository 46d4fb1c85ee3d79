#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A second implementation of the knock protocol, from docs/protocol.md and the Python standard library.

Prints the vector file that is its argument: keys.txt, otp.txt, packets.txt, sequences.txt or siphash.txt. The
committed files are this program's output (tests/vectors/check.sh compares them), and the C++ tests read the
same files, so the two implementations check each other.
"""
import hashlib
import hmac
import ipaddress
import struct
import sys

MASK = (1 << 64) - 1


def rotl64(x, b):
    return ((x << b) | (x >> (64 - b))) & MASK


def siphash_2_4(key, data):
    """SipHash-2-4 (Aumasson and Bernstein, 2012); the 8 bytes are little-endian."""
    k0, k1 = struct.unpack("<QQ", key)
    v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]

    def rounds(n):
        for _ in range(n):
            v[0] = (v[0] + v[1]) & MASK
            v[1] = rotl64(v[1], 13) ^ v[0]
            v[0] = rotl64(v[0], 32)
            v[2] = (v[2] + v[3]) & MASK
            v[3] = rotl64(v[3], 16) ^ v[2]
            v[0] = (v[0] + v[3]) & MASK
            v[3] = rotl64(v[3], 21) ^ v[0]
            v[2] = (v[2] + v[1]) & MASK
            v[1] = rotl64(v[1], 17) ^ v[2]
            v[2] = rotl64(v[2], 32)

    whole = len(data) // 8 * 8
    last = data[whole:] + bytes(7 - len(data) % 8) + bytes([len(data) & 255])
    for (m,) in struct.iter_unpack("<Q", data[:whole] + last):
        v[3] ^= m
        rounds(2)
        v[0] ^= m
    v[2] ^= 0xFF
    rounds(4)
    return struct.pack("<Q", v[0] ^ v[1] ^ v[2] ^ v[3])


def salsa20_core(key, block, hsalsa):
    """20 rounds of Salsa20 (Bernstein); `hsalsa` leaves out the final addition and keeps 8 words."""
    k = struct.unpack("<8L", key)
    n = struct.unpack("<4L", block)
    c = struct.unpack("<4L", b"expand 32-byte k")
    x = [c[0], *k[:4], c[1], *n, c[2], *k[4:], c[3]]
    start = list(x)
    columns = ((0, 4, 8, 12), (5, 9, 13, 1), (10, 14, 2, 6), (15, 3, 7, 11))
    rows = ((0, 1, 2, 3), (5, 6, 7, 4), (10, 11, 8, 9), (15, 12, 13, 14))

    def step(a, b, c_, shift):
        t = (x[b] + x[c_]) & 0xFFFFFFFF
        x[a] ^= ((t << shift) | (t >> (32 - shift))) & 0xFFFFFFFF

    for _ in range(10):
        for quarter in columns + rows:
            a, b, c_, d = quarter
            step(b, a, d, 7)
            step(c_, b, a, 9)
            step(d, c_, b, 13)
            step(a, d, c_, 18)
    if hsalsa:
        return struct.pack("<8L", *(x[i] for i in (0, 5, 10, 15, 6, 7, 8, 9)))
    return struct.pack("<16L", *((a + b) & 0xFFFFFFFF for a, b in zip(x, start)))


def poly1305(key, data):
    r = int.from_bytes(key[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    s = int.from_bytes(key[16:], "little")
    acc = 0
    for i in range(0, len(data), 16):
        acc = (acc + int.from_bytes(data[i : i + 16] + b"\1", "little")) * r % ((1 << 130) - 5)
    return ((acc + s) & ((1 << 128) - 1)).to_bytes(16, "little")


def secretbox(key, nonce, message):
    """crypto_secretbox: XSalsa20-Poly1305; Poly1305 tag first, then the ciphertext."""
    subkey = salsa20_core(key, nonce[:16], True)
    size = 32 + len(message)
    stream = b"".join(
        salsa20_core(subkey, nonce[16:] + struct.pack("<Q", i), False) for i in range((size + 63) // 64)
    )
    cipher = bytes(a ^ b for a, b in zip(message, stream[32:]))
    return poly1305(stream[:32], cipher) + cipher


def kdf(size, number, context, key):
    """crypto_kdf_derive_from_key: keyed BLAKE2b, the number as salt, the context as personalisation."""
    return hashlib.blake2b(
        digest_size=size, key=key, salt=struct.pack("<QQ", number, 0), person=context + bytes(8)
    ).digest()


def derive(credential, server, ident):
    master = hashlib.blake2b(b"xknock/1" + server + ident, digest_size=32, key=credential).digest()
    return {name: kdf(32, number, b"xk1_root", master) for name, number in (("gate", 1), ("seal", 2), ("nonce", 5))}


def gate(key, slot):
    g = kdf(32, slot, b"xk1_gate", key)
    return g[:8], g[8:24]


def hotp(secret, counter, digits, algorithm="sha1"):
    mac = hmac.new(secret, struct.pack(">Q", counter), algorithm).digest()
    at = mac[-1] & 15
    return str((struct.unpack(">L", mac[at : at + 4])[0] & 0x7FFFFFFF) % 10**digits).zfill(digits)


def address16(text):
    ip = ipaddress.ip_address(text)
    return (bytes(10) + b"\xff\xff" if ip.version == 4 else b"") + ip.packed


def request(r):
    head = struct.pack(
        ">BBBBBBHLLQ16s16s16s",
        1, r["action"], r["factor"], r["mode"], r["protocol"], r["flags"], r["port"], r["lifetime"],
        r["service"], r["clock"], address16(r["address"]) if r["address"] else bytes(16), r["id"],
        address16(r["target"]) if r["target"] else bytes(16),
    )
    return head, r["proof"].ljust(64, b"\0")


def service_id(name):
    first = hashlib.blake2b(b"xknock/1 service " + name.encode(), digest_size=32).digest()[:4]
    return struct.unpack(">L", first)[0] or 1


def strong_ports(key, slot, count):
    drawn = struct.unpack(">32H", kdf(64, slot, b"xk1_seqn", key))
    return list(dict.fromkeys(24576 + number % 8192 for number in drawn))[:count]


def clock_ports(code, count):
    key = int(code).to_bytes(3, "big")
    return [1024 + int(hotp(key, i, 6)) * 64512 // 10**6 for i in range(count)]


def show(**fields):
    for name, value in fields.items():
        print(f"{name} = {value.hex() if isinstance(value, bytes) else value}")
    print()


CREDENTIAL = bytes(range(32))
SERVER = bytes(range(0xA0, 0xB0))
IDENT = bytes.fromhex("0123456789abcdef")
SLOTS = (0, 1, 56666666, 2**32, 2**63 + 5)


def print_siphash():
    print("# SipHash-2-4: key 00..0f, message 00..(length - 1); the 64 vectors of its authors.")
    for n in range(64):
        print(f"{n} = {siphash_2_4(bytes(range(16)), bytes(range(n))).hex()}")


def print_keys():
    print("# Credential, server identity and credential id -> the keys of the credential and of slots.")
    keys = derive(CREDENTIAL, SERVER, IDENT)
    show(credential=CREDENTIAL, server=SERVER, id=IDENT, **keys)
    for slot in SLOTS:
        tag, mac_key = gate(keys["gate"], slot)
        show(slot=slot, tag=tag, mac_key=mac_key, box_key=kdf(32, slot, b"xk1_seal", keys["seal"]))
    print("# Names of services -> their ids on the wire.")
    for name in ("ssh", "web", "a", "all", "x2345678901234567890123456789012"):
        show(service=name, service_id=service_id(name))


def print_otp():
    print("# RFC 4226, appendix D: secret \"12345678901234567890\", counters 0 to 9, six digits.")
    secret = b"12345678901234567890"
    for counter in range(10):
        show(secret=secret, step=counter, digits=6, code=hotp(secret, counter, 6))
    print("# RFC 6238, appendix B: the same secret, SHA-1, eight digits, time / 30.")
    for time in (59, 1111111109, 1111111111, 1234567890, 2000000000, 20000000000):
        show(secret=secret, step=time // 30, digits=8, code=hotp(secret, time // 30, 8))


def print_packets():
    print("# Whole packets: every field of the request, then the bytes on the way to the wire.")
    keys = derive(CREDENTIAL, SERVER, IDENT)
    hmac_key = bytes(range(0x40, 0x60))
    base = dict(
        action=1, factor=0, mode=0, protocol=6, flags=0, port=22, lifetime=0, service=0,
        clock=1700000000123456, address="", id=bytes(range(0xC0, 0xD0)),
        target="", proof=b"",
    )
    cases = [
        dict(base),
        dict(base, factor=1, proof=b"084678", mode=1, address="192.0.2.7", lifetime=3600),
        dict(base, factor=1, proof=b"12345678", mode=1, address="2001:db8::7", flags=1),
        dict(base, factor=2, mode=2, address="198.51.100.9", protocol=0, port=0, service=service_id("ssh")),
        dict(base, action=2, factor=2, protocol=17, port=51820),
        dict(base, action=3, clock=0),
        dict(base, action=4, protocol=132, port=65535, lifetime=2**32 - 1),
        dict(base, factor=2, mode=1, address="192.0.2.7", target="198.51.100.7", flags=1),
        dict(base, action=2, protocol=17, port=53, mode=1, address="2001:db8::7", target="2001:db8:7::7"),
        dict(base, protocol=0, port=0, service=service_id("all")),
    ]
    for number, case in enumerate(cases):
        slot = case["clock"] // 30_000_000
        nonce = hashlib.blake2b(bytes([number]), digest_size=24).digest()
        head, proof = request(case)
        tag, mac_key = gate(keys["gate"], slot)
        if case["factor"] == 2:
            signed = b"xknock/1" + SERVER + tag + nonce + head
            proof = hmac.new(hmac_key, signed, "sha256").digest().ljust(64, b"\0")
            case["hmac_key"] = hmac_key
        del case["proof"]
        box = secretbox(kdf(32, slot, b"xk1_seal", keys["seal"]), nonce, head + proof)
        mac = siphash_2_4(mac_key, nonce + box)
        show(
            credential=CREDENTIAL, server=SERVER, credential_id=IDENT, slot=slot, nonce=nonce, **case, proof=proof,
            request=head + proof, packet=tag + mac + nonce + box,
        )


def print_sequences():
    print("# Credential's subkey 4 and slot -> the ports of the strong sequence.")
    master = hashlib.blake2b(b"xknock/1" + SERVER + IDENT, digest_size=32, key=CREDENTIAL).digest()
    key = kdf(32, 4, b"xk1_root", master)
    for slot in SLOTS:
        show(key=key, slot=slot, strong=" ".join(map(str, strong_ports(key, slot, 10))))
    print("# A key whose first ten numbers hold one twice.")
    for n in range(10**6):
        key = n.to_bytes(32, "big")
        first = [number % 8192 for number in struct.unpack(">32H", kdf(64, 7, b"xk1_seqn", key))][:10]
        if len(set(first)) < 10:
            show(key=key, slot=7, strong=" ".join(map(str, strong_ports(key, 7, 10))))
            break
    print("# Code -> the ports that c-lock's client sends.")
    for code in ("000000", "000001", "000255", "000256", "065535", "065536", "084678", "099999", "123456", "287082", "999999"):
        show(code=code, clock=" ".join(map(str, clock_ports(code, 10))))


PRINTERS = {
    "siphash.txt": print_siphash, "keys.txt": print_keys, "otp.txt": print_otp, "packets.txt": print_packets,
    "sequences.txt": print_sequences,
}

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in PRINTERS:
        sys.exit(f"usage: reference.py {'|'.join(sorted(PRINTERS))}")
    PRINTERS[sys.argv[1]]()
