#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""xknock.py: opens a port of a server that runs xknockd, where there is no knock-client: macOS, BSD, Windows, Termux,
iOS, routers. One file, Python 3.6 or later, nothing but its standard library. It reads the profiles of knock-client.

It is also a second implementation of docs/protocol.md, and its comments name the sections there. docs/client.md says
how to use it and in what it differs from knock-client.
"""
import base64
import errno
import getopt
import hashlib
import hmac
import os
import re
import select
import signal
import socket
import stat
import struct
import sys
import time
from collections import namedtuple

VERSION = "0.1.0"
USAGE = """usage: xknock.py VERB HOST [SERVICE | PORT] [options]
  open HOST [SERVICE]    open a service for our address: its name, all, tcp/22, or tcp/22@ADDRESS behind the server
  proxy HOST PORT        for ssh: ProxyCommand xknock.py proxy -- %h %p
  close HOST [SERVICE]   close what this credential opened
  status HOST [SERVICE]  show profile, addresses and whether the port answers
  --profile NAME|FILE  --profiles DIR  --source ADDRESS  -4  -6  -v       with every verb
  --otp CODE             one-time code; it can be seen in the list of processes
  --lifetime 5m          open, proxy: how long the grant is to stay open
  --single               open, proxy: the grant shuts behind the first connection
  --for ADDRESS          open: for this address instead (needs the right to)
  --no-wait              open: do not try whether the port answers
  --all                  close: everything, for every address
  --help  --version"""
FAILED, WRONG_USE, BAD_PROFILE = 1, 2, 78  # exit codes; docs/client.md

OPEN, CLOSE, CLOSE_ALL = 1, 2, 3  # docs/protocol.md, "Actions"
FACTORS = {"none": 0, "totp": 1, "hmac": 2}  # "The request"
SOURCE, BOUND, DELEGATED = 0, 1, 2  # "Address modes"
PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132}
TCP = PROTOCOLS["tcp"]
SLOT = 30  # seconds

class Trouble(Exception):
    """What a person is told: what is wrong, and what to do."""

    def __init__(self, message, hint="", code=FAILED):
        super().__init__(message)
        self.message, self.hint, self.code = message, hint, code

# ---- Texts of others, as docs/client.md promises: nothing that a terminal obeys.

def as_line(text):
    raw = text.encode("utf-8", "surrogateescape")
    return "".join(chr(b) if 32 <= b < 127 else "\\x%02x" % b for b in raw)

def quoted(text):
    return '"' + as_line(text[:200].replace("\\", "\\x5c")) + '"'

def say(text):
    sys.stderr.write("xknock: " + text + "\n")
    sys.stderr.flush()

def why(error):
    """The system's words for an OSError."""
    return error.strerror or str(error)

# ---- docs/protocol.md, "Notation"

def blake2b(size, message, key=b""):
    return hashlib.blake2b(message, digest_size=size, key=key).digest()

def kdf(key, number, context):
    return hashlib.blake2b(b"", digest_size=32, key=key, salt=struct.pack("<QQ", number, 0),
                           person=context + bytes(8)).digest()

def siphash_2_4(key, message):
    mask = 2**64 - 1
    k0, k1 = struct.unpack("<QQ", key)
    words = struct.unpack(">4Q", b"somepseudorandomlygeneratedbytes")
    a, b, c, d = (word ^ k for word, k in zip(words, (k0, k1, k0, k1)))

    def rotated(x, by):
        return (x << by | x >> (64 - by)) & mask

    def rounds(count, a, b, c, d):
        for _ in range(count):
            a, c = (a + b) & mask, (c + d) & mask
            b, d = rotated(b, 13) ^ a, rotated(d, 16) ^ c
            a = rotated(a, 32)
            a, c = (a + d) & mask, (c + b) & mask
            b, d = rotated(b, 17) ^ c, rotated(d, 21) ^ a
            c = rotated(c, 32)
        return a, b, c, d

    # The last word has the length in its highest byte.
    padded = message + bytes(7 - len(message) % 8) + bytes([len(message) % 256])
    for (word,) in struct.iter_unpack("<Q", padded):
        a, b, c, d = rounds(2, a, b, c, d ^ word)
        a ^= word
    a, b, c, d = rounds(4, a, b, c ^ 0xFF, d)
    return struct.pack("<Q", a ^ b ^ c ^ d)

# Indices of the four words of each quarter round: the columns of the matrix, then its rows, each from the diagonal on.
QUARTERS = [[(5 * i + 4 * j) % 16 for j in range(4)] for i in range(4)]
QUARTERS += [[4 * i + (i + j) % 4 for j in range(4)] for i in range(4)]

def salsa20(key, block):
    """State before and after the twenty rounds, as sixteen words each."""
    sigma, k, n = struct.unpack("<4L", b"expand 32-byte k"), struct.unpack("<8L", key), struct.unpack("<4L", block)
    start = [sigma[0], *k[:4], sigma[1], *n, sigma[2], *k[4:], sigma[3]]
    x = list(start)
    for _ in range(10):
        for a, b, c, d in QUARTERS:
            for to, one, two, by in ((b, a, d, 7), (c, b, a, 9), (d, c, b, 13), (a, d, c, 18)):
                total = (x[one] + x[two]) & 0xFFFFFFFF
                x[to] ^= (total << by | total >> (32 - by)) & 0xFFFFFFFF
    return start, x

def xsalsa20_stream(key, nonce, size):
    _, x = salsa20(key, nonce[:16])  # HSalsa20: the diagonal and the words of the nonce, without the final addition
    subkey = struct.pack("<8L", *(x[i] for i in (0, 5, 10, 15, 6, 7, 8, 9)))
    stream = b""
    for number in range((size + 63) // 64):
        start, x = salsa20(subkey, nonce[16:] + struct.pack("<Q", number))
        stream += struct.pack("<16L", *((a + b) & 0xFFFFFFFF for a, b in zip(start, x)))
    return stream[:size]

def poly1305(key, message):
    r = int.from_bytes(key[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    total = 0
    for i in range(0, len(message), 16):
        total = (total + int.from_bytes(message[i:i + 16] + b"\x01", "little")) * r % (2**130 - 5)
    return ((total + int.from_bytes(key[16:], "little")) % 2**128).to_bytes(16, "little")

def secretbox(key, nonce, message):
    stream = xsalsa20_stream(key, nonce, 32 + len(message))
    cipher = bytes(a ^ b for a, b in zip(message, stream[32:]))
    return poly1305(stream[:32], cipher) + cipher

# ---- docs/protocol.md, "Keys", "Slots", "Services", "Factors"

Keys = namedtuple("Keys", "gate seal nonce")
SlotKeys = namedtuple("SlotKeys", "tag mac_key box_key")

def derive_keys(credential_key, server_id, credential):
    master = blake2b(32, b"xknock/1" + server_id + credential, credential_key)
    return Keys(*(kdf(master, number, b"xk1_root") for number in (1, 2, 5)))

def slot_keys(keys, slot):
    gate = kdf(keys.gate, slot, b"xk1_gate")
    return SlotKeys(gate[:8], gate[8:24], kdf(keys.seal, slot, b"xk1_seal"))

def slot_of(clock):
    return max(0, clock) // (SLOT * 1000000)

def clock_now():
    return int(time.time() * 1000000)

def until_next_slot():
    """Seconds until the next slot's code, and a little more for the server's clock."""
    return SLOT - time.time() % SLOT + 0.2

def service_id(name):
    return struct.unpack(">L", blake2b(32, b"xknock/1 service " + name.encode())[:4])[0] or 1

def totp(secret, step, digits):
    mac = hmac.new(secret, struct.pack(">Q", step), "sha1").digest()
    number = struct.unpack_from(">L", mac, mac[19] & 15)[0] & 0x7FFFFFFF
    return "%0*d" % (digits, number % 10**digits)

# ---- docs/protocol.md, "The request", "Seal"

Request = namedtuple("Request", "action factor mode protocol flags port lifetime service clock address id target")

def request_head(request):
    return struct.pack(">BBBBBBHLLQ16s16s16s", 1, *request)

def hmac_proof(key, server_id, tag, nonce, head):
    return hmac.new(key, b"xknock/1" + server_id + tag + nonce + head, "sha256").digest()

def seal(keys, clock, request, proof, hmac_key=None, server_id=b""):
    """The 192 bytes of a knock. `proof` is the code's digits, or empty; an HMAC is computed here."""
    slot = slot_of(clock)
    head = request_head(request)
    nonce = blake2b(24, os.urandom(32) + struct.pack(">Q", clock) + head + proof.ljust(64, b"\0"), keys.nonce)
    if hmac_key is not None:
        proof = hmac_proof(hmac_key, server_id, slot_keys(keys, slot).tag, nonce, head)
    return seal_with(slot_keys(keys, slot), nonce, head + proof.ljust(64, b"\0"))

def seal_with(keys, nonce, request):
    signed = nonce + secretbox(keys.box_key, nonce, request)
    return keys.tag + siphash_2_4(keys.mac_key, signed) + signed

# ---- Addresses: the sixteen bytes of docs/protocol.md, "Notation", and the zone of a link-local one

Address = namedtuple("Address", "raw zone")
MAPPED = bytes(10) + b"\xff\xff"

def is_v4(address):
    return address.raw.startswith(MAPPED)

def address_of(sockaddr):
    text = sockaddr[0].split("%")[0]
    if ":" not in text:
        return Address(MAPPED + socket.inet_pton(socket.AF_INET, text), 0)
    return Address(socket.inet_pton(socket.AF_INET6, text), sockaddr[3] if len(sockaddr) > 3 else 0)

def parse_address(text):
    try:
        address = address_of((text, 0))
        if "%" not in text and (":" not in text or not is_v4(address)):
            return address
    except (OSError, ValueError):
        pass
    raise Trouble(quoted(text) + " is not an IP address", "write 192.0.2.1 or 2001:db8::1", WRONG_USE)

def address_text(address):
    if is_v4(address):
        return socket.inet_ntop(socket.AF_INET, address.raw[12:])
    return socket.inet_ntop(socket.AF_INET6, address.raw)

def sockaddr_of(address, port):
    text = address_text(address)
    return (text, port) if is_v4(address) else (text, port, 0, address.zone)

def new_socket(address, kind):
    return socket.socket(socket.AF_INET if is_v4(address) else socket.AF_INET6, kind)

def lies_in(address, networks):
    for text in networks.split():
        network, length = text.split("/")
        network, length = parse_address(network), int(length)
        if is_v4(network) == is_v4(address):
            shift = (32 if is_v4(address) else 128) - length
            if int.from_bytes(network.raw, "big") >> shift == int.from_bytes(address.raw, "big") >> shift:
                return True
    return False

def is_grantable(address):
    """docs/protocol.md, "Address modes"."""
    return lies_in(address, "64:ff9b::/32") or not lies_in(
        address, "0.0.0.0/8 127.0.0.0/8 169.254.0.0/16 224.0.0.0/4 240.0.0.0/4 ::/8 fe80::/10 fec0::/10 ff00::/8")

def is_global(address):
    return is_grantable(address) and not lies_in(
        address, "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 100.64.0.0/10 192.0.0.0/24 198.18.0.0/15 fc00::/7")

# ---- Files whose rights matter

def refusal(path, what, hint=""):
    return Trouble(quoted(path) + " " + what, hint, BAD_PROFILE)

def check_owner(path, status):
    trusted = {0, os.geteuid()}
    if hasattr(sys, "getandroidapilevel"):
        trusted.add(1000)  # the system itself, which owns /data
    if status.st_uid not in trusted:
        raise refusal(path, "belongs to uid %d" % status.st_uid, "chown root " + as_line(path))

def check_rights(path, status):
    mode = status.st_mode & 0o7777
    check_owner(path, status)
    if status.st_nlink != 1:
        raise refusal(path, "has a second hard link", "copy it to a new file")
    for mask, verb in ((0o022, "written"), (0o077, "read")):
        if mode & mask:
            raise refusal(path, "can be %s by others (mode %04o)" % (verb, mode), "chmod 0600 " + as_line(path))
    directory = os.path.dirname(os.path.realpath(path))
    while True:
        above = os.stat(directory)
        check_owner(directory, above)
        if above.st_mode & 0o022 and not above.st_mode & stat.S_ISVTX:
            raise refusal(directory, "can be written by others (mode %04o)" % (above.st_mode & 0o7777),
                          "chmod go-w " + as_line(directory))
        if directory == os.path.dirname(directory):
            return
        directory = os.path.dirname(directory)

def read_secret_file(path):
    """The text of a file that nobody else can read or change. Windows has other rights; there the user sees to them."""
    flags = os.O_RDONLY
    for name in ("O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK", "O_NOCTTY", "O_BINARY"):
        flags |= getattr(os, name, 0)
    try:
        if os.path.islink(path):
            raise OSError(errno.ELOOP, "")
        with open(os.open(path, flags), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise refusal(path, "is not a regular file")
            if hasattr(os, "geteuid"):
                check_rights(path, status)
            raw = file.read(256 * 1024 + 1)
    except OSError as e:
        if e.errno in (errno.ELOOP, errno.EMLINK):  # the second one is FreeBSD's
            raise refusal(path, "is a symbolic link", "put the file itself there")
        raise Trouble("%s: %s" % (quoted(path), why(e)), "", BAD_PROFILE)
    if len(raw) > 256 * 1024 or b"\0" in raw:
        raise refusal(path, "is too large or no text")
    return raw.decode("utf-8", "surrogateescape").replace("\r\n", "\n")

# ---- The part of YAML that "knockctl keygen" and the documents write: mappings and lists, in blocks and in brackets,
# and texts of one line. Anything else is a fault and never a guess.

Node = namedtuple("Node", "kind value at")
ESCAPES = dict(zip('0abtnvfre"/\\ ', '\0\a\b\t\n\v\f\r\x1b"/\\ '))

class Yaml:
    PLAIN = r"""(?:[^\s"'#&*!|>%@`?\[\]{},:-]|[-:?](?=[^\s\[\]{},]))(?:[^\n\[\]{},:#]|:(?=[^\s\]},])|(?<=\S)#)*"""

    def __init__(self, path):
        self.path, self.text, self.at, self.faults = path, read_secret_file(path), 0, []
        self.root = Node("nothing", None, 0)
        try:
            self.skip()
            self.take(r"---(?=\s)")
            column = self.skip()
            self.root = self.block(column) if column == 0 else self.root
            if self.skip() >= 0:
                self.stop(self.at, "does not begin in the column of the other lines")
        except Trouble as e:
            self.faults.append(e.message)

    def fault(self, at, message, hint=""):
        line, column = self.text.count("\n", 0, at) + 1, at - self.text.rfind("\n", 0, at)
        hint = " (%s)" % hint if hint else ""
        self.faults.append("%s:%d:%d: %s%s" % (as_line(self.path), line, column, message, hint))

    def stop(self, at, message, hint="put a text into double quotes"):
        self.fault(at, message, hint)
        raise Trouble(self.faults.pop())

    def finish(self):
        if self.faults:
            raise Trouble("\n".join(self.faults), "", BAD_PROFILE)

    def take(self, pattern):
        found = re.compile(pattern).match(self.text, self.at)
        self.at = found.end() if found else self.at
        return found.group() if found else ""

    def skip(self):
        """Goes over blanks, lines and comments. The column of what comes then, -1 at the end."""
        self.take(r"(?:[ \n]+|(?:(?<=\s)|\A)#[^\n]*)*")
        return -1 if self.at == len(self.text) else self.at - self.text.rfind("\n", 0, self.at) - 1

    def at_line_begin(self):
        return not self.text[self.text.rfind("\n", 0, self.at) + 1:self.at].strip()

    def block(self, column):
        """A mapping or a list whose lines begin in this column."""
        begin, items = self.at, []
        is_list = self.text.startswith("- ", begin)
        while self.skip() == column and self.text.startswith("- ", self.at) == is_list and self.at_line_begin():
            self.at += 2 if is_list else 0
            items.append(self.value(column) if is_list else self.pair(column))
        return Node("list" if is_list else "mapping", items, begin)

    def pair(self, column):
        key = self.scalar()
        if not self.take(r" *:(?=\s|$)"):
            self.stop(key.at, 'is not "key: value"')
        return key, self.value(column)

    def value(self, column):
        """What stands behind a key or a dash of a block, or within brackets (column -1)."""
        end = self.at
        found = self.skip()
        if column >= 0 and (found < 0 or self.at_line_begin()):
            if found > column or (found == column and self.text.startswith("- ", self.at)):
                return self.block(found)
            return Node("nothing", None, end)
        node = self.in_brackets() if self.text[self.at:self.at + 1] in ("[", "{") else self.scalar()
        if column >= 0 and self.skip() >= 0 and not self.at_line_begin():
            self.stop(self.at, "follows a value")
        return node

    def in_brackets(self):
        begin, items, is_list = self.at, [], self.text[self.at] == "["
        end = "]" if is_list else "}"
        self.at += 1
        while self.skip() >= 0 and not self.text.startswith(end, self.at):
            if is_list and self.text[self.at] in "[{":
                self.stop(self.at, "is a list of lists")
            items.append(self.value(-1) if is_list else self.pair(-1))
            if self.skip() < 0 or self.text[self.at] not in ("," + end):
                self.stop(self.at, 'expected "," or "%s"' % end)
            self.take(",")
        if not self.take(re.escape(end)):
            self.stop(begin, "has no end")
        return Node("list" if is_list else "mapping", items, begin)

    def scalar(self):
        begin = self.at
        if self.take("'"):
            text = self.take(r"(?:[^'\n]|'')*'") or self.stop(begin, "has no end")
            return Node("single value", text[:-1].replace("''", "'"), begin)
        if self.take('"'):
            text = self.take(r'(?:[^"\\\n]|\\[^\n])*"') or self.stop(begin, "has no end")
            text = re.sub(r"\\(x..|u.{4}|U.{8}|.)", lambda e: self.escape(begin, e.group(1)), text[:-1])
            return Node("single value", text, begin)
        text = self.take(self.PLAIN).rstrip() or self.stop(begin, "is YAML that this program does not read")
        return Node("nothing" if text in ("~", "null") else "single value", text, begin)

    def escape(self, begin, what):
        try:
            return ESCAPES[what] if len(what) == 1 else chr(int(what[1:], 16))
        except (KeyError, ValueError):
            self.stop(begin, 'holds a "\\" that means nothing')

    # What the nodes are to be. A fault is noted, and the value is then missing.

    def expect(self, node, kind):
        if node.kind != kind:
            is_something = "" if node.kind == "nothing" else "a "
            self.fault(node.at, "expected a %s but this is %s%s" % (kind, is_something, node.kind))
        return node.kind == kind

    def members(self, node, known=None):
        """(key, value) of a mapping; keys that are there twice or unknown are faults."""
        seen = {}
        for key, value in node.value if self.expect(node, "mapping") else []:
            if key.value in seen:
                self.fault(key.at, quoted(key.value) + " is there twice")
            elif known is not None and key.value not in known:
                self.fault(key.at, "unknown key " + quoted(key.value), did_you_mean(key.value, known))
            else:
                seen[key.value] = (key, value)
        return list(seen.values())

    def parsed(self, node, parse):
        try:
            return parse(node.value) if self.expect(node, "single value") else None
        except Trouble as e:
            self.fault(node.at, e.message, e.hint)

    def parsed_list(self, node, parse):
        values = [self.parsed(item, parse) for item in (node.value if node.kind == "list" else [node])]
        return [value for value in values if value is not None]

def did_you_mean(word, known):
    import difflib
    meant = difflib.get_close_matches(word, known, 1)
    return "did you mean \"%s\"?" % meant[0] if meant else ""

# ---- docs/client.md, "The profile"

def number_between(low, high):
    def parse(text):
        if not re.fullmatch("[0-9]{1,9}", text) or not low <= int(text) <= high:
            raise Trouble("%s is not a number from %d to %d" % (quoted(text), low, high))
        return int(text)
    return parse

def one_of(words):
    def parse(text):
        if text not in words:
            raise Trouble("%s is not one of %s" % (quoted(text), ", ".join(words)))
        return words[text]
    return parse

def hexadecimal(digits):
    def parse(text):
        if not re.fullmatch("[0-9a-fA-F]{%d}" % digits, text):
            raise Trouble("%s is not %d hexadecimal digits" % (quoted(text), digits))
        return bytes.fromhex(text)
    return parse

def base64_key(what):
    def parse(text):  # the fault of a secret does not repeat it
        try:
            key = base64.b64decode(text.encode("ascii"), validate=True)
            if len(key) == 32 and base64.b64encode(key).decode() == text:
                return key
        except ValueError:
            pass
        raise Trouble(what + " is not base64 of 32 bytes")
    return parse

def base32_secret(text):
    digits = text.replace(" ", "").upper().rstrip("=")
    try:
        secret = base64.b32decode(digits + "=" * (-len(digits) % 8))
        if 20 <= len(secret) <= 64 and base64.b32encode(secret).decode().rstrip("=") == digits:
            return secret
    except ValueError:
        pass
    raise Trouble("otp_secret is not base32 of 20 to 64 bytes")

def duration(text):
    found = re.fullmatch("([0-9]{1,10})([smhd])", text)
    seconds = int(found.group(1)) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[found.group(2)] if found else 2**32
    if seconds >= 2**32:
        raise Trouble(quoted(text) + " is not a duration", "write a number and a unit: 30s, 5m, 2h or 1d", WRONG_USE)
    return seconds

def wait_time(text):
    return duration(text) or one_of([])("a wait of no time")

def endpoint(text):
    found = re.fullmatch("(tcp|udp|sctp)/([0-9]{1,5})", text)
    if not found or not 1 <= int(found.group(2)) <= 65535:
        raise Trouble(quoted(text) + " is not a protocol and a port", "write tcp/22, udp/51820 or sctp/5000", WRONG_USE)
    return PROTOCOLS[found.group(1)], int(found.group(2))

def target_address(text):
    address = parse_address(text)
    if not is_grantable(address):
        raise Trouble(text + " is not the address of a host behind the server", "", WRONG_USE)
    return address

def service_port(text):
    """(protocol, port) that shows whether the service is open; (0, 0) for a range, and for a port behind the server."""
    port, _, target = text.partition("@")
    if target:
        target_address(target)
    first, dash, last = port.partition("-")
    found = endpoint(first)
    if dash and endpoint(first.split("/")[0] + "/" + last)[1] < found[1]:
        raise Trouble(quoted(text) + " is no range")
    return (0, 0) if dash or target else found

TRUTH = {"true": True, "false": False}
NAT = {"auto": "auto", "true": "auto", "always": "always", "never": "never", "false": "never"}
FAMILIES = {"any": 0, "ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}
FIELDS = {
    "name": str, "hosts": [str], "server": str, "knock_port": number_between(1, 65535), "server_id": hexadecimal(32),
    "credential": hexadecimal(16), "key": base64_key("the key"), "factor": one_of(FACTORS),
    "digits": one_of({"6": 6, "8": 8}), "hmac_key": base64_key("hmac_key"), "otp_secret": base32_secret, "service": str,
    "services": {}, "gateway": one_of(TRUTH), "lifetime": duration, "nat": one_of(NAT),
    "family": one_of(FAMILIES), "probe_ms": number_between(0, 10000), "wait": wait_time}
DEFAULTS = {
    "hosts": [], "server": "", "knock_port": 62201, "digits": 6, "hmac_key": None, "otp_secret": None, "service": "",
    "services": {}, "gateway": False, "lifetime": 0, "nat": "auto", "family": 0, "probe_ms": 250, "wait": 10}

def stem(path):
    return os.path.splitext(os.path.basename(path))[0]

class Profile:
    def __init__(self, file):
        self.file, self.otp_command, yaml = file, [], Yaml(file)
        values = dict(DEFAULTS, name=stem(file))
        for key, node in yaml.members(yaml.root, list(FIELDS) + ["otp_command"]) if not yaml.faults else []:
            if key.value == "otp_command":
                yaml.fault(key.at, "a profile runs no program: it may be from somebody else",
                           "otp_command stands in ~/.config/xknock/config.yaml")
            else:
                values[key.value] = self.value_of(yaml, FIELDS[key.value], node)
        if yaml.root.kind == "mapping" and not yaml.faults:
            self.check(yaml, values)
        yaml.finish()
        self.__dict__.update(values)
        self.keys = derive_keys(values["key"], values["server_id"], values["credential"])

    @staticmethod
    def value_of(yaml, form, node):
        if isinstance(form, list):
            return yaml.parsed_list(node, form[0])
        if isinstance(form, dict):
            return {key.value: [port for port in yaml.parsed_list(ports, service_port) if port[0]]
                    for key, ports in yaml.members(node)}
        return yaml.parsed(node, form)

    @staticmethod
    def check(yaml, values):
        needed = ["server_id", "credential", "key", "factor"] + (["hmac_key"] if values.get("factor") == 2 else [])
        for key in needed:
            if values.get(key) is None:
                yaml.fault(0, quoted(key) + " is missing")
        for key, factor in (("hmac_key", "hmac"), ("otp_secret", "totp")):
            if values[key] is not None and values.get("factor") != FACTORS[factor]:
                yaml.fault(0, "%s is for factor %s only" % (key, factor))
        if values["gateway"] and not values["server"]:
            yaml.fault(0, '"gateway" needs "server", the address of the gateway')

    def has_host(self, host):
        return host.lower() in (h.lower() for h in self.hosts)

    def is_automatic(self):
        return self.factor != FACTORS["totp"] or self.otp_secret is not None or bool(self.otp_command)

def profile_directory():
    if os.name == "nt":
        return os.path.join(os.environ.get("APPDATA", os.path.expanduser("~")), "xknock")
    base = os.environ.get("XDG_CONFIG_HOME", "")
    return os.path.join(base if os.path.isabs(base) else os.path.expanduser("~/.config"), "xknock")

def is_for(file, host):
    """Reads name and hosts of a file and does not judge the rest."""
    names = [stem(file)]
    yaml = Yaml(file)
    for key, node in yaml.members(yaml.root) if not yaml.faults else []:
        if key.value in ("name", "hosts"):
            names += yaml.parsed_list(node, str)
    return host.lower() in (name.lower() for name in names)

def find_profile(directory, host):
    found, unreadable = [], False
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        names = []
    for name in names:
        if name.endswith(".yaml") and name != "config.yaml":
            try:
                found += [name] if is_for(os.path.join(directory, name), host) else []
            except Trouble:
                unreadable = True
                found += [name] if stem(name).lower() == host.lower() else []
    if not found:
        raise Trouble("no profile in %s is for host %s" % (quoted(directory), quoted(host)),
                      "some profiles there are not mode 0600 and were not looked at" if unreadable else
                      "put the profile that \"knockctl keygen\" wrote there, and the host into its hosts", BAD_PROFILE)
    files = [os.path.join(directory, name) for name in found]
    if len(files) > 1:
        named = tuple(map(quoted, files[:2] + [host]))
        raise Trouble("profiles %s and %s are both for host %s" % named, "", BAD_PROFILE)
    return Profile(files[0])

def apply_settings(directory, profile):
    """docs/client.md, "Your own settings"."""
    path = os.path.join(directory, "config.yaml")
    if not os.path.lexists(path):
        return
    yaml = Yaml(path)
    own, directory = os.path.realpath(profile.file), os.path.realpath(directory)
    for _, commands in yaml.members(yaml.root, ["otp_command"]) if not yaml.faults else []:
        for name, words in yaml.members(commands):
            command = yaml.parsed_list(words, str)
            named = name.value if os.path.isabs(name.value) else os.path.join(directory, name.value + ".yaml")
            if not os.path.isabs(name.value) and os.path.basename(name.value) != name.value:
                yaml.fault(name.at, quoted(name.value) + " is neither a profile's name nor an absolute path")
            if not command or not command[0]:
                yaml.fault(name.at, "names no program", "a list, one word each: [pass, otp, server]")
            if os.path.realpath(named) == own:
                profile.otp_command = command
    yaml.finish()

# ---- docs/protocol.md, "Client behaviour"

FRESH, COPY_AFTER, TRIES_AFTER = (0.0, 1.0, 3.0), 0.25, (0.005, 0.3)
SCHEDULE = sorted([(t, "fresh") for t in FRESH] + [(t + COPY_AFTER, "copy") for t in FRESH] +
                  [(t + after, "try") for t in FRESH for after in TRIES_AFTER])
ONE_ADDRESS, TYPED, MOST_ADDRESSES, MOST_PENDING = 3.5, 1.5, 8, 64

# What the command line asks for. `endpoint` is (0, 0) where a service is named; `target` is a host behind the server.
Spec = namedtuple("Spec", "action service endpoint target flags lifetime delegate source")
Connected = namedtuple("Connected", "socket knocked seconds")

def resolve(host, family):
    """The first eight addresses, in the system's order with the families by turns (RFC 8305, section 4)."""
    found = None
    for flags in (socket.AI_ADDRCONFIG, socket.AI_NUMERICHOST):
        try:
            found = socket.getaddrinfo(host, None, family, socket.SOCK_STREAM, 0, flags)
            break
        except (OSError, UnicodeError) as e:
            reason = getattr(e, "strerror", None) or str(e)
            if flags == socket.AI_NUMERICHOST or getattr(e, "errno", 0) not in (socket.EAI_NONAME, -9, 1, 9):
                raise Trouble("%s has no address: %s" % (quoted(host), reason))
    addresses = []
    for entry in found:
        address = address_of(entry[4])
        addresses += [address] if address not in addresses else []
    first = [a for a in addresses if is_v4(a) == is_v4(addresses[0])]
    second = [a for a in addresses if a not in first]
    turns = sorted(list(enumerate(first)) + list(enumerate(second)), key=lambda turn: turn[0])
    return [address for _, address in turns][:MOST_ADDRESSES]

class Attempts:
    """Connections that are being made; the first that stands wins."""

    def __init__(self):
        self.pending, self.failure = [], ""

    def begin(self, to, port, local):
        connection = new_socket(to, socket.SOCK_STREAM)
        connection.setblocking(False)
        try:
            if local:
                if sys.platform.startswith("linux"):
                    connection.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
                connection.bind(sockaddr_of(local, 0))
            connection.connect(sockaddr_of(to, port))
        except BlockingIOError:
            pass
        except OSError as e:
            self.failure = why(e)
            return connection.close()
        for old in self.pending[:-MOST_PENDING + 1]:
            old.close()
        self.pending = self.pending[-MOST_PENDING + 1:] + [connection]

    def wait(self, seconds):
        """The connection that stands, or None when the time is over."""
        end = time.monotonic() + seconds
        while True:
            left = max(0, end - time.monotonic())
            if not self.pending:
                time.sleep(left)
                return None
            _, ready, broken = select.select([], self.pending, self.pending, left)
            for connection in set(ready + broken):
                self.pending.remove(connection)
                error = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if error == 0:
                    for other in self.pending:
                        other.close()
                    self.pending = []
                    return connection
                self.failure = os.strerror(error)
                connection.close()
            if time.monotonic() >= end:
                return None

class Knock:
    """One request to one address of the server. The socket, once connected, shows which address of ours it sees."""

    def __init__(self, profile, spec, server, target):
        self.profile, self.server, self.udp = profile, server, new_socket(server, socket.SOCK_DGRAM)
        try:
            if spec.source:
                self.udp.bind(sockaddr_of(spec.source, 0))
            self.udp.connect(sockaddr_of(server, profile.knock_port))
        except OSError as e:
            raise Trouble("no way to %s: %s" % (address_text(server), why(e)))
        self.local = address_of(self.udp.getsockname())
        mode, address = SOURCE, None
        if spec.delegate:
            mode, address = DELEGATED, spec.delegate
        elif profile.nat == "never" or (profile.nat == "auto" and is_global(self.local)):
            mode, address = BOUND, self.local
        behind = spec.target  # through a gateway a port is that of the host behind it
        if profile.gateway and not spec.service and not behind and spec.action != CLOSE_ALL:
            behind = target
        self.request = Request(spec.action, profile.factor, mode, spec.endpoint[0], spec.flags, spec.endpoint[1],
                               spec.lifetime or profile.lifetime, spec.service, 0,
                               address.raw if address else bytes(16), os.urandom(16),
                               behind.raw if behind else bytes(16))

    def send(self, code):
        clock = clock_now()
        self.packet = seal(self.profile.keys, clock, self.request._replace(clock=clock), code.encode(),
                           self.profile.hmac_key, self.profile.server_id)
        self.send_copy()

    def send_copy(self):
        for _ in range(3):  # a refusal speaks of an earlier packet: the server's knock port answers as closed
            try:
                return self.udp.send(self.packet)
            except (ConnectionRefusedError, ConnectionResetError) as e:
                error = e
            except OSError as e:
                error = e
                break
        raise Trouble("knocking at %s: %s" % (address_text(self.server), why(error)))

def of_family(address, addresses):
    """The address itself where it is among them, else the first one of its family."""
    same = [a for a in addresses if is_v4(a) == is_v4(address)]
    return address if address in addresses else same[0] if same else None

def try_address(knock, target, port, code, attempts, end):
    begin, events = time.monotonic(), list(SCHEDULE)
    while time.monotonic() < end:
        connection = attempts.wait(max(0, min(end, begin + events[0][0] if events else end) - time.monotonic()))
        if connection:
            return connection
        if not events or time.monotonic() < begin + events[0][0]:
            continue
        what = events.pop(0)[1]
        if what == "try":
            attempts.begin(target, port, knock.local)
        else:
            knock.send(code) if what == "fresh" else knock.send_copy()
    return None

def knock_and_connect(profile, spec, host, port, codes, family):
    targets = resolve(host, family)
    servers = targets if profile.server in ("", host) else resolve(profile.server, family)
    attempts, begin = Attempts(), time.monotonic()

    def probe():
        for target in targets:
            attempts.begin(target, port, spec.source)
    if profile.probe_ms:
        probe()
        connection = attempts.wait(profile.probe_ms / 1000)
        if connection:
            return Connected(connection, False, 0)
    code, connection = codes.next(attempts, probe)
    if connection:
        return Connected(connection, False, 0)
    begin, trouble, tried, slot = time.monotonic(), None, False, slot_of(clock_now())
    deadline = begin + profile.wait + (until_next_slot() if codes.makes else 0)
    while time.monotonic() < deadline:
        tried_before, tried = tried, False
        for i, target in enumerate(targets):
            if codes.makes and slot != slot_of(clock_now()):  # a code that was used is refused until the slot ends
                slot, code = slot_of(clock_now()), codes.next(attempts, None)[0]
            left, server = len(targets) - i, of_family(target, servers)
            most = ONE_ADDRESS if left > 1 else max(ONE_ADDRESS, until_next_slot()) if codes.makes else profile.wait
            now = time.monotonic()
            end = now + min(TYPED if codes.may_ask_again() else most, (deadline - now) / left)
            try:
                if not server:
                    raise Trouble("no address of %s is of the family of %s" % (
                        as_line(profile.server), address_text(target)))
                connection = try_address(Knock(profile, spec, server, target), target, port, code, attempts, end)
                tried = True
                if connection:
                    return Connected(connection, True, time.monotonic() - begin)
            except Trouble as e:
                trouble = e
        if not tried:  # the network is gone, but a connection that was begun may still come about
            connection = attempts.wait(max(0, deadline - time.monotonic())) if attempts.pending else None
            if connection:
                return Connected(connection, True, time.monotonic() - begin)
            tried = tried_before
            break
        if codes.may_ask_again():
            say("the port did not open: is the code right, and not used yet?")
            code, connection = codes.next(attempts, None)
            if connection:
                return Connected(connection, True, time.monotonic() - begin)
            begin = time.monotonic()
            deadline = begin + profile.wait
    if trouble and not tried:
        raise trouble
    failure = attempts.failure and " (%s)" % attempts.failure
    raise Trouble("port %d of %s did not open%s" % (port, as_line(host), failure),
                  ("is the clock right? may this credential open it?" if profile.is_automatic() else
                   "was the code right, and not used yet? is the clock right?") + " does the server run xknockd?")

def knock_only(profile, spec, host, code, family):
    """To the first address that has a route; to close goes to all, because nobody knows by which one it was opened."""
    servers, sent, trouble = resolve(profile.server or host, family), [], None
    targets = resolve(host, family) if profile.gateway else servers
    for server in servers:
        target = of_family(server, targets)
        try:
            if target and (not sent or spec.action != OPEN):
                knock = Knock(profile, spec, server, target)
                knock.send(code)
                sent.append(knock)
        except Trouble as e:
            trouble = e
    if not sent:
        raise trouble or Trouble("no address of %s is of the family of the server's" % as_line(host))
    time.sleep(COPY_AFTER)
    for knock in sent:
        knock.send_copy()

# ---- docs/client.md, "Codes". Standard input and output are ssh's stream and never used.

class Terminal:
    """Asks without echo, and puts the terminal back however the question ends."""

    def __init__(self, prompt):
        self.typed, self.old, self.windows = "", None, os.name == "nt"
        if self.windows:
            import msvcrt
            self.keys, self.tty = msvcrt, open("CONOUT$", "wb", 0)
        else:
            self.tty = open("/dev/tty", "r+b", 0)
        try:
            import termios
            self.termios, self.old = termios, termios.tcgetattr(self.tty)
            quiet = termios.tcgetattr(self.tty)
            quiet[3] &= ~termios.ECHO
            termios.tcsetattr(self.tty, termios.TCSAFLUSH, quiet)
        except ImportError:
            pass
        self.tty.write(prompt.encode())

    def line(self):
        """The line, once it is whole, else None."""
        if self.windows:
            while self.keys.kbhit():
                key = self.keys.getwch()
                if key == "\x03":
                    raise KeyboardInterrupt
                if key in "\r\n":
                    return self.typed
                self.typed = self.typed[:-1] if key == "\b" else self.typed + key
        elif select.select([self.tty], [], [], 0)[0]:
            return self.tty.readline(256).decode("utf-8", "replace")
        return None

    def close(self):
        if self.old:
            self.termios.tcsetattr(self.tty, self.termios.TCSAFLUSH, self.old)
        self.tty.write(b"\r\n")
        self.tty.close()

class Codes:
    def __init__(self, profile, given):
        self.profile, self.given, self.asked = profile, given, 0
        totp_factor = profile.factor == FACTORS["totp"]
        self.is_person = totp_factor and given is None and not profile.is_automatic()
        self.makes = totp_factor and profile.is_automatic()

    def may_ask_again(self):
        return self.is_person and self.asked < 3

    def next(self, attempts, probe):
        """(code, None), or (None, connection) where the port opened while a person was asked."""
        profile, connection = self.profile, None
        if profile.factor != FACTORS["totp"]:
            return "", None
        if self.given is not None:
            code = self.given
        elif profile.otp_command:
            code = run_for_output(profile.otp_command)
        elif profile.otp_secret is not None:
            code = totp(profile.otp_secret, int(time.time()) // SLOT, profile.digits)
        else:
            code, connection = self.ask(attempts, probe)
        code = "".join((code or "").split())
        if not connection and not re.fullmatch("[0-9]{%d}" % profile.digits, code):
            raise Trouble("a code has %d digits" % profile.digits)
        return code, connection

    def ask(self, attempts, probe):
        self.asked += 1
        prompt = "Code for %s: " % as_line(self.profile.name)
        try:
            terminal = Terminal(prompt)
        except OSError:
            if os.environ.get("SSH_ASKPASS"):
                return run_for_output([os.environ["SSH_ASKPASS"], prompt]), None
            raise Trouble("a code is needed and there is no terminal to ask on", "use --otp, otp_command in "
                          "~/.config/xknock/config.yaml, otp_secret, or SSH_ASKPASS")
        last_probe = time.monotonic()
        try:
            while True:
                connection = attempts.wait(0.05)
                line = terminal.line()
                if connection or line is not None:
                    if line == "":
                        raise Trouble("no code was given")
                    return line, connection
                if probe and not attempts.pending and time.monotonic() > last_probe + 5:
                    last_probe = time.monotonic()
                    probe()
        finally:
            terminal.close()

def run_for_output(command):
    import subprocess
    import threading
    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    except OSError as e:
        raise Trouble("starting %s: %s" % (quoted(command[0]), why(e)))
    late = []
    timer = threading.Timer(30, lambda: (late.append(True), child.kill()))
    timer.start()
    text = child.stdout.read(4097)
    if len(text) > 4096:
        child.kill()
    code = child.wait()
    timer.cancel()
    if len(text) > 4096 or late or code != 0:
        raise Trouble(quoted(command[0]) + (" says too much for a code" if len(text) > 4096 else
                                            " gave no code in 30 s" if late else " failed"))
    return text.decode("utf-8", "replace").strip()

# ---- The relay of a ProxyCommand

def relay_by_threads(connection):
    """Windows can wait for sockets only, not for what ssh gives us."""
    import msvcrt
    import threading
    for fd in (0, 1):
        msvcrt.setmode(fd, os.O_BINARY)

    def up():
        data = os.read(0, 65536)
        while data:
            connection.sendall(data)
            data = os.read(0, 65536)
        connection.shutdown(socket.SHUT_WR)
    threading.Thread(target=up, daemon=True).start()
    data = connection.recv(65536)
    while data:
        while data:
            data = data[os.write(1, data):]
        data = connection.recv(65536)

class Pipe:
    """One direction: reads while it has nothing to write."""

    def __init__(self, source, sink, end):
        self.source, self.sink, self.end, self.data, self.open, self.failure = source, sink, end, b"", True, None

    def step(self, ready):
        try:
            if self.data and self.sink in ready:
                self.data = self.data[os.write(self.sink, self.data):]
            elif not self.data and self.source in ready:
                self.data = os.read(self.source, 65536)
                self.open = bool(self.data)
        except BlockingIOError:
            return
        except OSError as e:
            self.open, self.failure = False, e if self.data and e.errno not in (errno.EPIPE, errno.ECONNRESET) else None
        if not self.open:
            self.end()

def relay(connection):
    """Until both directions are closed. The end of one is passed on, and the other goes on (half-closed TCP)."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if os.name == "nt":
        connection.setblocking(True)
        return relay_by_threads(connection)
    flags = {fd: os.get_blocking(fd) for fd in (0, 1)}  # of the open file, which a terminal shares with the shell

    def end_up():
        try:
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def end_down():
        os.set_blocking(1, flags[1])
        try:  # where input and output are one socket, closing one of them ends nothing
            socket.socket(fileno=os.dup(1)).shutdown(socket.SHUT_WR)
        except OSError:
            pass
        os.close(1)
    fd = connection.fileno()
    pipes = [Pipe(0, fd, end_up), Pipe(fd, 1, end_down)]
    try:
        for each in flags:
            os.set_blocking(each, False)
        while any(pipe.open for pipe in pipes):
            reading = [pipe.source for pipe in pipes if pipe.open and not pipe.data]
            writing = [pipe.sink for pipe in pipes if pipe.open and pipe.data]
            readable, writable, _ = select.select(reading, writing, [])
            for pipe in pipes:
                if pipe.open:
                    pipe.step(writable if pipe.data else readable)
    finally:
        os.set_blocking(0, flags[0])
    if pipes[1].failure:
        raise Trouble("passing on what the server said: " + why(pipes[1].failure))

# ---- docs/client.md, "Commands"

VERBS = {"open": {"--otp", "--lifetime", "--single", "--for", "--no-wait"}, "status": set(),
         "proxy": {"--otp", "--lifetime", "--single"}, "close": {"--otp", "--all"}}
COMMON = {"--profile", "--profiles", "--source", "-4", "-6", "-v", "--verbose"}

def profile_for(options, host):
    own, name = profile_directory(), options.get("--profile", "")
    if "/" in name or os.sep in name:
        profile = Profile(name)
    else:
        profile = find_profile(options.get("--profiles", own), name or host)
    apply_settings(own, profile)
    return profile

def host_of(options, host, profile):
    """As it can be connected to: an alias, or the name of the profile's file, does not resolve."""
    is_alias = "--profile" not in options or host.lower() == profile.name.lower()
    if not is_alias or profile.has_host(host):
        return host
    return profile.server if profile.server and not profile.gateway else (profile.hosts + [host])[0]

def service_of(name, profile):
    """(service id, endpoint, target) of what is asked for, and the endpoints that can show whether it is open."""
    name = name or profile.service
    if not name:
        raise Trouble("which service?", 'name one, or set "service" in ' + as_line(profile.file), WRONG_USE)
    if "/" in name:
        port, _, target = name.partition("@")
        target = target_address(target) if target else None
        return (0, endpoint(port), target), ([] if target else [endpoint(port)])
    if not re.fullmatch("[A-Za-z0-9][A-Za-z0-9._-]{0,31}", name):
        raise Trouble(quoted(name) + " is not the name of a service", "", WRONG_USE)
    known = sum(profile.services.values(), []) if name == "all" else profile.services.get(name, [])
    return (service_id(name), (0, 0), None), sorted(known, key=lambda e: name == "all" and e[0] != TCP)

def endpoint_text(endpoint):
    return "%s/%d" % ({number: name for name, number in PROTOCOLS.items()}[endpoint[0]], endpoint[1])

def say_connected(connected, what, verbose):
    to = address_text(address_of(connected.socket.getpeername()))
    if not connected.knocked and verbose:
        say("%s of %s answers without a knock" % (what, to))
    elif verbose:
        say("%s of %s open %.2f ms after the knock" % (what, to, connected.seconds * 1000))

def show_status(profile, spec, host, endpoints, family):
    print("profile     %s (%s)" % (as_line(profile.name), as_line(profile.file)))
    factor = {number: name for name, number in FACTORS.items()}[profile.factor]
    print("factor      " + factor + ("" if profile.is_automatic() else ", asked for on the terminal"))
    for address in resolve(host, family):
        try:
            knock = Knock(profile, spec, address, address)
        except Trouble as e:
            print("address     %s: %s" % (address_text(address), as_line(e.message)))
            continue
        behind = ", taken for one behind NAT" if knock.request.mode == SOURCE else ""
        print("address     %s from %s%s" % (address_text(address), address_text(knock.local), behind))
        if endpoints and endpoints[0][0] == TCP:
            attempts = Attempts()
            attempts.begin(address, endpoints[0][1], knock.local)
            is_open = attempts.wait(max(profile.probe_ms, 250) / 1000)
            print("port        %s %s" % (endpoint_text(endpoints[0]),
                                         "answers" if is_open else "is silent: closed, or nobody there"))

def run(verb, words, options):
    host, verbose = words[0], "-v" in options or "--verbose" in options
    family = socket.AF_INET if "-4" in options else socket.AF_INET6 if "-6" in options else 0
    lifetime = duration(options["--lifetime"]) if "--lifetime" in options else 0
    source, delegate = (parse_address(options[o]) if o in options else None for o in ("--source", "--for"))
    profile = profile_for(options, host)
    family = family or profile.family
    if verb == "proxy":
        service, endpoints = (0, (TCP, int(words[1])), None), [(TCP, int(words[1]))]
    elif "--all" in options:
        service, endpoints = (0, (TCP, 1), None), []  # the field must say something
    else:
        try:
            service, endpoints = service_of((words + [""])[1], profile)
        except Trouble:
            if verb != "status":  # which shows the rest all the same
                raise
            service, endpoints = (0, (TCP, 1), None), []
    action = OPEN if verb != "close" else CLOSE_ALL if "--all" in options else CLOSE
    spec = Spec(action, *service, 1 if "--single" in options else 0, lifetime, delegate, source)
    host, codes = host_of(options, host, profile), Codes(profile, options.get("--otp"))
    if verb == "status":
        return show_status(profile, spec, host, endpoints, family)
    # Only a TCP port of the server itself says whether it is open; the one connection of --single is not ours to use.
    can_try = endpoints and endpoints[0][0] == TCP and not delegate and not {"--no-wait", "--single"} & set(options)
    if verb == "proxy" or (verb == "open" and can_try):
        if verb == "open" and (len(endpoints) > 1 or lifetime):
            profile.probe_ms = 0  # one port that answers does not show that the others are open, nor for how long
        connected = knock_and_connect(profile, spec, host, endpoints[0][1], codes, family)
        say_connected(connected, endpoint_text(endpoints[0]), verbose or verb == "open")
        return relay(connected.socket) if verb == "proxy" else None
    knock_only(profile, spec, host, codes.next(Attempts(), None)[0], family)
    if verb == "open":
        say("knocked; a server does not answer, so nobody knows more here")
    return None

def parse_command_line(arguments):
    try:
        found, words = getopt.gnu_getopt(arguments, "v46h", [
            "verbose", "help", "version", "profile=", "profiles=", "source=", "otp=", "lifetime=", "single", "for=",
            "no-wait", "all"])
    except getopt.GetoptError as e:
        raise Trouble(as_line(str(e)), "xknock.py --help", WRONG_USE)
    options = dict(found)
    if {"-h", "--help", "--version"} & set(options):
        print("xknock.py " + VERSION if "--version" in options else USAGE)
        return None, [], {}
    verb = words.pop(0) if words else ""
    if verb not in VERBS:
        raise Trouble(quoted(verb) + " is no command", "open, proxy, close or status", WRONG_USE)
    for option in set(options) - VERBS[verb] - COMMON:
        raise Trouble("%s has no option %s" % (verb, option), "xknock.py --help", WRONG_USE)
    if not 1 <= len(words) <= 2 or not 1 <= len(words[0]) <= 253 or (verb == "proxy" and len(words) != 2):
        raise Trouble("%s takes a host and %s" % (verb, "a port" if verb == "proxy" else "at most a service"),
                      "xknock.py --help", WRONG_USE)
    if verb == "proxy" and (not re.fullmatch("[0-9]{1,5}", words[1]) or not 1 <= int(words[1]) <= 65535):
        raise Trouble(quoted(words[1]) + " is not a port", "", WRONG_USE)
    return verb, words, options

def main():
    try:
        import resource
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # keys are in this process
    except (ImportError, OSError, ValueError):
        pass
    for name in ("SIGTERM", "SIGHUP"):  # the terminal is put back first
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda number, frame: sys.exit(128 + number))
    try:
        verb, words, options = parse_command_line(sys.argv[1:])
        if verb:
            run(verb, words, options)
        return 0
    except KeyboardInterrupt:
        say("interrupted")
        return FAILED
    except Trouble as e:
        for line in e.message.split("\n"):
            say(as_line(line))
        if e.hint:
            sys.stderr.write("  hint: " + as_line(e.hint) + "\n")
        return e.code

if __name__ == "__main__":
    sys.exit(main())
