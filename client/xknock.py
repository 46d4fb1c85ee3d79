#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""xknock.py: opens a port of a server that runs xknockd, where there is no knock-client: macOS, BSD, Windows, Termux,
iOS, routers. One file, Python 3.6 or later, nothing but its standard library. It reads the profiles of knock-client.

It is a second implementation of docs/protocol.md too: its comments name the sections. docs/client.md says what it has.
"""
import base64
import contextlib
import errno
import getopt
import getpass
import hashlib
import hmac
import ipaddress
import itertools
import json
import os
import pathlib
import re
import select
import signal
import socket
import stat
import struct
import sys
import threading
import time
from collections import namedtuple

VERSION = "0.1.0"
USAGE = """usage: xknock.py VERB HOST [SERVICE | PORT] [options]
  open HOST [SERVICE]    open a service for our address: its name, all, or tcp/22
  proxy HOST PORT        for ssh: ProxyCommand xknock.py proxy -- %h %p
  close HOST [SERVICE]   close what this credential opened; --all: everything, for every address
  status HOST            show profile and addresses
  --profile NAME|FILE  --profiles DIR  --otp CODE  --lifetime 5m  --no-wait (do not try the port)
  -4  -6  -v  --help  --version"""
FAILED, WRONG_USE, BAD_PROFILE = 1, 2, 78  # exit codes; docs/client.md

OPEN, CLOSE, CLOSE_ALL = 1, 2, 3  # docs/protocol.md, "Actions"
FACTORS = {"none": 0, "totp": 1, "hmac": 2, "hotp": 5}  # "The request"
HAVE_CODES, SOURCE, BOUND = (FACTORS["totp"], FACTORS["hotp"]), 0, 1  # the last two: "Address modes"
PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132}
PORT = "(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
TCP = PROTOCOLS["tcp"]
SLOT = 30  # seconds


class Trouble(Exception):
    """What a person is told: what is wrong, and what to do."""

    def __init__(self, message, hint="", code=FAILED):
        super().__init__(message)
        self.message, self.hint, self.code = message, hint, code


def as_line(text):
    """Texts of others, as docs/client.md promises: nothing that a terminal obeys."""
    return "".join(chr(b) if 32 <= b < 127 else "\\x%02x" % b for b in text.encode("utf-8", "backslashreplace"))


def quoted(text):
    return '"' + as_line(text[:200].replace("\\", "\\x5c")) + '"'


def say(text):
    print("xknock: " + text, file=sys.stderr, flush=True)


# docs/protocol.md, "Notation"

def kdf(key, number, context):
    return hashlib.blake2b(b"", digest_size=32, key=key, salt=struct.pack("<QQ", number, 0),
                           person=context + bytes(8)).digest()


def siphash_2_4(key, message):
    words = struct.unpack(">4Q", b"somepseudorandomlygeneratedbytes")
    v = [word ^ k for word, k in zip(words, struct.unpack("<QQ", key) * 2)]

    def rounds(count):
        for a, b, by in ((0, 1, 13), (2, 3, 16), (0, 3, 21), (2, 1, 17)) * count:
            v[a] = (v[a] + v[b]) % 2**64
            v[b] = (v[b] << by | v[b] >> 64 - by) % 2**64 ^ v[a]
            v[a] = (v[a] << 32 | v[a] >> 32) % 2**64 if by in (13, 17) else v[a]

    # The last word has the length in its highest byte.
    padded = message + bytes(7 - len(message) % 8) + bytes([len(message) % 256])
    for (word,) in struct.iter_unpack("<Q", padded):
        v[3] ^= word
        rounds(2)
        v[0] ^= word
    v[2] ^= 0xFF
    rounds(4)
    return struct.pack("<Q", v[0] ^ v[1] ^ v[2] ^ v[3])


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


def poly1305(key, message):
    r = int.from_bytes(key[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    total = 0
    for i in range(0, len(message), 16):
        total = (total + int.from_bytes(message[i:i + 16] + b"\x01", "little")) * r % (2**130 - 5)
    return ((total + int.from_bytes(key[16:], "little")) % 2**128).to_bytes(16, "little")


def secretbox(key, nonce, message):
    _, x = salsa20(key, nonce[:16])  # HSalsa20: the diagonal and the words of the nonce, without the final addition
    subkey, stream = struct.pack("<8L", *(x[i] for i in (0, 5, 10, 15, 6, 7, 8, 9))), b""
    for number in range((32 + len(message) + 63) // 64):
        start, x = salsa20(subkey, nonce[16:] + struct.pack("<Q", number))
        stream += struct.pack("<16L", *((a + b) & 0xFFFFFFFF for a, b in zip(start, x)))
    cipher = bytes(a ^ b for a, b in zip(message, stream[32:]))
    return poly1305(stream[:32], cipher) + cipher


# docs/protocol.md, "Keys", "Slots", "Services", "Factors"
Keys = namedtuple("Keys", "gate seal nonce")
SlotKeys = namedtuple("SlotKeys", "tag mac_key box_key")


def derive_keys(credential_key, server_id, credential):
    master = hashlib.blake2b(b"xknock/1" + server_id + credential, digest_size=32, key=credential_key).digest()
    return Keys(*(kdf(master, number, b"xk1_root") for number in (1, 2, 5)))


def slot_keys(keys, slot):
    gate = kdf(keys.gate, slot, b"xk1_gate")
    return SlotKeys(gate[:8], gate[8:24], kdf(keys.seal, slot, b"xk1_seal"))


def service_id(name):
    digest = hashlib.blake2b(b"xknock/1 service " + name.encode(), digest_size=32).digest()
    return int.from_bytes(digest[:4], "big") or 1


def totp(secret, step, digits):
    mac = hmac.new(secret, struct.pack(">Q", step), "sha1").digest()
    number = struct.unpack_from(">L", mac, mac[19] & 15)[0] & 0x7FFFFFFF
    return "%0*d" % (digits, number % 10**digits)


# docs/protocol.md, "The request", "Seal"
Request = namedtuple("Request", "action factor mode protocol flags port lifetime service clock address id target")


def request_head(request):
    return struct.pack(">BBBBBBHLLQ16s16s16s", 1, *request)


def hmac_proof(key, server_id, tag, nonce, head):
    return hmac.new(key, b"xknock/1" + server_id + tag + nonce + head, "sha256").digest()


def seal(keys, clock, request, proof, hmac_key=None, server_id=b""):
    """The 192 bytes of a knock. `proof` is the code's digits, or empty; an HMAC is computed here."""
    slot = clock // (SLOT * 1000000)
    head = request_head(request)
    nonce = hashlib.blake2b(os.urandom(32) + struct.pack(">Q", clock) + head + proof.ljust(64, b"\0"), digest_size=24,
                            key=keys.nonce).digest()
    if hmac_key is not None:
        proof = hmac_proof(hmac_key, server_id, slot_keys(keys, slot).tag, nonce, head)
    return seal_with(slot_keys(keys, slot), nonce, head + proof.ljust(64, b"\0"))


def seal_with(keys, nonce, request):
    signed = nonce + secretbox(keys.box_key, nonce, request)
    return keys.tag + siphash_2_4(keys.mac_key, signed) + signed


# docs/protocol.md, "Address modes"
NO_ADDRESS, MAPPED = bytes(16), bytes(10) + b"\xff\xff"
FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
NOT_GLOBAL = ("0.0.0.0/8 127.0.0.0/8 169.254.0.0/16 224.0.0.0/4 240.0.0.0/4 ::/8 fe80::/10 fec0::/10 ff00::/8 "
              "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 100.64.0.0/10 192.0.0.0/24 198.18.0.0/15 fc00::/7")
NAT64 = "64:ff9b::/96 64:ff9b:1::/48"


def address_of(sockaddr):
    return ipaddress.ip_address(sockaddr[0].split("%")[0])


def raw(address):
    """The sixteen bytes of "Notation"."""
    return (MAPPED if address.version == 4 else b"") + address.packed


def lies_in(address, networks):
    return any(address in ipaddress.ip_network(network) for network in networks.split())


# Files whose rights matter

def check_rights(path, status):
    trusted = {0, os.geteuid(), 1000 if hasattr(sys, "getandroidapilevel") else 0}  # Android itself owns /data
    above = [(str(d), d.stat()) for d in pathlib.Path(os.path.realpath(path)).parents]
    for place, found in [(path, status)] + above:
        mode, is_file = found.st_mode & 0o7777, place == path
        for is_wrong, what, hint in (
                (found.st_uid not in trusted, "belongs to uid %d" % found.st_uid, "chown root "),
                (is_file and found.st_nlink != 1, "has a second hard link", "copy it to a new file: "),
                (mode & 0o022 and (is_file or not mode & stat.S_ISVTX), "can be written by others (mode %04o)" % mode,
                 "chmod go-w "),
                (mode & 0o077 and is_file, "can be read by others (mode %04o)" % mode, "chmod 0600 ")):
            if is_wrong:
                raise Trouble(quoted(place) + " " + what, hint + as_line(place), BAD_PROFILE)


def read_secret_file(path):
    """The text of a file that nobody else can read or change. Windows has other rights; there the user sees to them."""
    # Follows no link, and does not wait for the other end of a pipe.
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        if os.path.islink(path):
            raise OSError(errno.ELOOP, "is a symbolic link; put the file itself there")
        with open(os.open(path, flags), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_size > 256 * 1024:
                raise OSError(errno.EINVAL, "is not a regular file of at most 256 KiB")
            if hasattr(os, "geteuid"):
                check_rights(path, status)
            return file.read(256 * 1024).decode()
    except (OSError, UnicodeError) as e:
        raise Trouble("%s %s" % (quoted(path), getattr(e, "strerror", None) or "is no text"), "", BAD_PROFILE)


# The part of YAML that "knockctl keygen" writes: "key: value" on one line, where the value is a word, a text in double
# quotes or a list of such texts (JSON, which is YAML too), and a mapping of such lines that are indented. Anything else
# is a fault and never a guess.
LINE = re.compile(r"( *)([\w.-]+) *:(?: +(.*))?", re.ASCII)
WORDS = re.compile(r"([a-z0-9/](?:[\w./@+=-]|:(?=\S)| +(?=\w))*)?", re.ASCII | re.IGNORECASE)


def value_of(text):
    if text[:1] in ("\"", "["):
        value, end = json.JSONDecoder().raw_decode(text)
    else:
        value, end = WORDS.match(text).group(1), WORDS.match(text).end()
    if not re.fullmatch(r"\s*|\s+#.*", " " * (end == 0) + text[end:]):
        raise ValueError
    return value


def read_yaml(path):
    """{key: (line, value)}. A value is a text, a list, or a mapping like this one."""
    root, inner, width = {}, None, 0
    for number, line in enumerate(read_secret_file(path).splitlines(), 1):
        if re.fullmatch(r"\s*(#.*)?", line) or (line == "---" and not root):
            continue
        place, found = "%s:%d" % (as_line(path), number), LINE.fullmatch(line)
        try:
            indent, key, value = len(found.group(1)), found.group(2), value_of(found.group(3) or "")
        except (AttributeError, ValueError):
            raise Trouble(place + ": this program does not understand the line", "docs/client.md", BAD_PROFILE)
        width = width or indent
        if indent not in (0, width) or (indent and inner is None) or key in (inner if indent else root):
            raise Trouble("%s: %s is there twice or in a wrong column" % (place, quoted(key)), "", BAD_PROFILE)
        if indent:
            inner[key] = (place, value)
        else:
            inner = {} if value is None else None
            root[key] = (place, value if inner is None else inner)
    return root


# docs/client.md, "The profile"

def matched(pattern, convert, text, what="what docs/client.md has"):
    """The value of a text of this form. A fault does not repeat the text: it may be a secret."""
    with contextlib.suppress(ValueError):
        if re.fullmatch(pattern, text):
            return convert(text)
    raise Trouble("is not " + what, "", WRONG_USE)


def duration(text):
    return int(text[:-1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[text[-1]]


def service_port(text):
    """(protocol, port) that shows whether the service is open; None for a range, and for a port behind the server."""
    form, what = "(tcp|udp|sctp)/(%s)(-%s|@[0-9a-fA-F.:]+)?" % (PORT, PORT), "a protocol and a port, such as tcp/22"
    found = matched(form, re.compile(form).fullmatch, text, what)
    return None if found.group(3) else (PROTOCOLS[found.group(1)], int(found.group(2)))


DURATION, KEY = "[0-9]{1,4}[smhd]", "[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]="
FIELDS = {  # key: the form of its text, what makes the value of it, and the value where the profile does not have it
    "name": ("(?s).*", str, None), "server": ("(?s).*", str, ""), "service": ("(?s).*", str, ""),
    "knock_port": (PORT, int, 62201), "server_id": ("[0-9a-fA-F]{32}", bytes.fromhex, None),
    "credential": ("[0-9a-fA-F]{16}", bytes.fromhex, None), "key": (KEY, base64.b64decode, None),
    "hmac_key": (KEY, base64.b64decode, None), "factor": ("none|totp|hotp|hmac", FACTORS.get, None),
    "digits": ("6|8", int, 6), "stun": ("(?s).*", str, ""), "sequence_ports": ("[5-9]|10", int, 6),  # two not used here
    "otp_secret": ("[A-Z2-7]{32,103}", lambda text: base64.b32decode(text + "=" * (-len(text) % 8)), None),
    "gateway": ("true|false", "true".__eq__, False), "lifetime": (DURATION, duration, 0),
    "mode": ("packet|handshake", str, "packet"), "nat": ("auto|always|never", str, "auto"), "family": (
        "any|ipv4|ipv6", {"any": 0, "ipv4": FAMILY[4], "ipv6": FAMILY[6]}.get, 0),
    "probe_ms": ("[0-9]{1,4}|10000", int, 250), "wait": ("0*[1-9][0-9]{0,3}[smhd]", duration, 10)}


def listed(value):
    return value if isinstance(value, list) else [value]


class Profile:
    def __init__(self, file):
        self.file, self.hosts, self.services = file, [], {}
        self.__dict__.update({key: default for key, (_, _, default) in FIELDS.items()})
        for key, (place, value) in read_yaml(file).items():
            try:
                if key == "hosts":
                    self.hosts = [matched("(?s).*", str, host) for host in listed(value)]
                elif key == "services":
                    for name, (_, ports) in value.items():
                        self.services[name] = [port for port in map(service_port, listed(ports)) if port]
                elif key in FIELDS:
                    setattr(self, key, matched(*FIELDS[key][:2], value))
                else:
                    raise Trouble("is no key that this program knows")
            except (Trouble, TypeError, AttributeError) as e:
                what = getattr(e, "message", "has a wrong form")
                raise Trouble("%s: %s %s" % (place, as_line(key), what), "", BAD_PROFILE)
        rules = [(getattr(self, key) is not None, key + " is missing")
                 for key in ("server_id", "credential", "key", "factor")]
        rules += [
            (bool(self.hmac_key) == (self.factor == FACTORS["hmac"]), "factor hmac has an hmac_key, no other has"),
            (not self.otp_secret or self.factor == FACTORS["totp"], "otp_secret is for factor totp only"),
            (self.mode == "packet", "this program knows no handshakes: knock-client does, or take mode out"),
            (not self.gateway or self.server, "gateway needs server, the address of the gateway")]
        for fault in (fault for holds, fault in rules if not holds):
            raise Trouble("%s: %s" % (as_line(file), fault), "", BAD_PROFILE)
        self.name = self.name or pathlib.Path(file).stem
        self.keys = derive_keys(self.key, self.server_id, self.credential)
        self.needs_person = self.factor in HAVE_CODES and not self.otp_secret


def is_among(host, names):
    return host.lower().rstrip(".") in (name.lower().rstrip(".") for name in names)


def find_profile(directory, host):
    """By the file's name, and by name and hosts in it; the rest of a file is not judged before it is chosen."""
    found = []
    for file in sorted(map(str, pathlib.Path(directory).glob("*.yaml"))):
        words = [pathlib.Path(file).stem]
        with contextlib.suppress(Trouble):  # it is said if the file is chosen by its name
            lines = read_yaml(file)
            words += sum((listed(lines[key][1]) for key in ("name", "hosts") if key in lines), [])
        if words != ["config"] and is_among(host, words):
            found.append(file)
    if len(found) > 1:
        both = tuple(map(quoted, found[:2] + [host]))
        raise Trouble("profiles %s and %s are both for host %s" % both, "", BAD_PROFILE)
    if not found:
        raise Trouble("no profile in %s is for host %s" % (quoted(directory), quoted(host)), "put the profile that "
                      "\"knockctl keygen\" wrote there (mode 0600), and the host into its hosts", BAD_PROFILE)
    return Profile(found[0])


# docs/protocol.md, "Client behaviour"
COPY_AFTER, LATE, TYPED = 0.25, 0.015, 1.5
TRIES = {0: (0, 0.001, 0.003, 0.007, 0.015, 0.06, 0.3), 0.5: (0.002, 0.015, 0.3)}
SCHEDULE = sorted((at + after, what) for at in (0, 0.5, 1.5, 3) for after, what in (
    [(0, "seal"), (COPY_AFTER, "copy")] + [(t, "try") for t in TRIES.get(at, TRIES[0.5])]))
TURNS = (0.5, 1, 3.5)
MOST_ADDRESSES, MOST_PENDING = 8, 64


def resolve(host, family):
    """The first eight addresses, in the system's order with the families by turns (RFC 8305, section 4)."""
    try:
        found = socket.getaddrinfo(host, None, family, socket.SOCK_STREAM)
    except (OSError, UnicodeError) as e:
        raise Trouble("%s has no address: %s" % (quoted(host), getattr(e, "strerror", None) or e))
    places = [address_of(sockaddr) for _, _, _, _, sockaddr in found]
    places = sorted(set(places), key=places.index)
    turn = {p: [q for q in places if q.version == p.version].index(p) for p in places}
    return sorted(places, key=turn.get)[:MOST_ADDRESSES]


class Knock:
    """One request to one address of the server. The socket, once connected, shows which address of ours it sees."""

    def __init__(self, profile, request, server, target):
        self.profile, self.request, self.server, self.target = profile, request, server, target
        self.is_decided, self.began, self.packet = False, None, None
        self.udp = socket.socket(FAMILY[server.version], socket.SOCK_DGRAM)
        self.udp.connect((str(server), profile.knock_port))
        self.local = address_of(self.udp.getsockname())
        self.has_modes = profile.nat == "auto" and not lies_in(self.local, NOT_GLOBAL)
        if profile.nat == "never" or (self.has_modes and not lies_in(server, NAT64)):
            self.change_mode()

    def change_mode(self):
        mode, address = (SOURCE, NO_ADDRESS) if self.request.mode == BOUND else (BOUND, raw(self.local))
        self.request = self.request._replace(mode=mode, address=address)

    def send(self, code):
        if self.packet and self.has_modes:  # by turns: our address may be translated on the way, or it must be named
            self.change_mode()
        clock = int(time.time() * 1000000)
        self.packet = seal(self.profile.keys, clock, self.request._replace(clock=clock), code.encode(),
                           self.profile.hmac_key, self.profile.server_id)
        self.send_copy()

    def send_copy(self):
        with contextlib.suppress(ConnectionRefusedError):  # of an earlier packet: the knock port answers as closed
            return self.udp.send(self.packet)
        self.udp.send(self.packet)

    def failed(self, error, begun):
        """A reset that is so late says that the port is open and nobody listens; an early one, that it is shut."""
        refused = error in (errno.ECONNREFUSED, errno.ETIMEDOUT)
        if self.began and (not refused or (error == errno.ECONNREFUSED and begun >= self.began + LATE)):
            self.is_decided = True


def knocks_for(profile, request, host, family):
    """One for each address of the host that there is a way to. With codes one id: each is good for both families."""
    targets = resolve(host, family)
    servers = targets if profile.server in ("", host) else resolve(profile.server, family)
    knocks, trouble, one_id = [], Trouble("%s and the server have no family in common" % quoted(host)), os.urandom(16)
    behind = profile.gateway and not request.service and request.action != CLOSE_ALL
    for target in targets:
        same = [server for server in servers if server.version == target.version]
        own = request._replace(id=one_id if profile.factor in HAVE_CODES else os.urandom(16),
                               target=raw(target) if behind else NO_ADDRESS)
        try:
            if same:
                knocks.append(Knock(profile, own, target if target in servers else same[0], target))
        except OSError as e:
            trouble = Trouble("no way to %s: %s" % (target, e))
    if not knocks:
        raise trouble
    return knocks


class Attempts:
    """TCP connections that are being made; the first that stands wins."""

    def __init__(self, port):
        self.port, self.pending = port, {}

    def begin(self, knock):
        connection, begun = socket.socket(FAMILY[knock.target.version], socket.SOCK_STREAM), time.monotonic()
        connection.setblocking(False)
        connection.bind((str(knock.local), 0))
        error = connection.connect_ex((str(knock.target), self.port))
        if error not in (0, errno.EINPROGRESS, errno.EWOULDBLOCK):  # the last is what Windows says
            return knock.failed(error, begun)
        if len(self.pending) == MOST_PENDING:
            self.pending.pop(min(self.pending, key=lambda c: self.pending[c][1])).close()
        self.pending[connection] = (knock, begun)

    def wait(self, end, is_over=lambda: False):
        """The connection that stands, or None when the time or the turn is over."""
        while True:
            left = max(0, end - time.monotonic())
            if self.pending:
                _, ready, broken = select.select([], list(self.pending), list(self.pending), left)
            else:
                ready, broken = time.sleep(left) or [], []
            for connection in set(ready + broken):
                error = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if error == 0:
                    return connection
                knock, begun = self.pending.pop(connection)
                connection.close()
                knock.failed(error, begun)
            if is_over() or time.monotonic() >= end:
                return None


def take_turn(knock, others, code, attempts, end):
    """docs/protocol.md, "Sending"."""
    def gives_way():
        return knock.is_decided and not all(other.is_decided for other in others)
    knock.began = time.monotonic()
    for after, what in SCHEDULE + [(end, "")]:
        due = min(knock.began + after, end)
        connection = attempts.wait(due, gives_way)
        if connection or due == end or gives_way():
            return connection
        if what == "try":
            attempts.begin(knock)
        else:
            knock.send_copy() if what == "copy" else knock.send(code)


def knock_and_try(knocks, code, attempts, end):
    """Each address has its turns until the time is over."""
    for number in itertools.count():
        troubles = []
        for knock in knocks:
            turn = TURNS[min(number, len(TURNS) - 1)] if len(knocks) > 1 else end
            connection = None
            try:
                connection = take_turn(knock, knocks, code, attempts, min(end, time.monotonic() + turn))
            except OSError as e:
                troubles.append(e)
            if connection or time.monotonic() >= end:
                return connection
        if len(troubles) == len(knocks):  # the network is gone, but a connection that was begun may still come about
            if not attempts.pending:
                raise troubles[-1]
            return attempts.wait(end)


def connect(profile, request, host, port, given, family):
    """(connection, seconds since the knock; None where the port answered without one)."""
    knocks, attempts, deadline = knocks_for(profile, request, host, family), Attempts(port), None
    if profile.needs_person and profile.probe_ms:
        for knock in knocks:
            attempts.begin(knock)
        connection = attempts.wait(time.monotonic() + profile.probe_ms / 1000)
        if connection:
            return connection, None
    for number in itertools.count(1):
        code, begin = next_code(profile, given), time.monotonic()
        may_ask = profile.needs_person and given is None and number < 3
        next_slot = begin + SLOT - time.time() % SLOT + 0.2 if profile.otp_secret else begin
        if not deadline or profile.needs_person:
            deadline = next_slot + profile.wait
        end = min(deadline, next_slot) if profile.otp_secret else begin + TYPED if may_ask else deadline
        connection = knock_and_try(knocks, code, attempts, end)
        if connection:
            return connection, time.monotonic() - begin
        if may_ask:
            say("the port did not open: is the code right, and not used yet?")
        elif not profile.otp_secret or time.monotonic() >= deadline:
            raise Trouble("port %d of %s did not open" % (port, as_line(host)), (
                "was the code right, and not used yet? " if profile.needs_person else "") + "is this machine's clock "
                "right? may this credential open it? does the server run xknockd?")
        knocks = knocks_for(profile, request, host, family)  # another code is another request


def knock_only(profile, request, host, code, family):
    """To the first address that has a route; to close goes to all, because nobody knows by which one it was opened."""
    knocks = knocks_for(profile, request, host if profile.gateway else profile.server or host, family)
    knocks = knocks[:1] if request.action == OPEN else knocks
    for knock in knocks:
        knock.send(code)
    time.sleep(COPY_AFTER)
    for knock in knocks:
        knock.send_copy()


# docs/client.md, "Codes". Standard input and output are ssh's stream and never used.

def next_code(profile, given):
    if profile.factor not in HAVE_CODES:
        return ""
    if given is None and profile.otp_secret:
        return totp(profile.otp_secret, int(time.time()) // SLOT, profile.digits)
    code = "".join((ask("Code for %s: " % as_line(profile.name)) if given is None else given).split())
    if not re.fullmatch("([0-9]{%d}){1,%d}" % (profile.digits, 1 + (profile.factor == FACTORS["hotp"])), code):
        raise Trouble("a code has %d digits" % profile.digits)
    return code


def ask(prompt):
    """By getpass, which shows no code and gives the terminal back. Where it finds no terminal it would read stdin."""
    try:
        if os.name != "nt":
            open("/dev/tty", "rb").close()
            sys.stdin = open(os.devnull)
        return getpass.getpass(prompt)
    except (OSError, EOFError, UnicodeError):
        raise Trouble("a code is needed and there is no terminal to ask on", "use --otp, or otp_secret in the profile")


def relay(connection):
    """By threads: not every system can wait for what ssh gives us. The end of our input is passed on (half-closed)."""
    def up():
        with contextlib.suppress(OSError):  # the other direction says more
            for data in iter(lambda: os.read(0, 65536), b""):
                connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)

    connection.setblocking(True)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    threading.Thread(target=up, daemon=True).start()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        for data in iter(lambda: connection.recv(65536), b""):
            while data:
                data = data[os.write(1, data):]


# docs/client.md, "Commands"

def choose_service(profile, name):
    """The fields of the request that say what is asked for, and the endpoints that can show whether it is open."""
    name = "tcp/" + name if re.fullmatch("[0-9]+", name) else name
    if "/" in name:
        place = service_port(name) or service_port("a range")
        return {"protocol": place[0], "port": place[1]}, [place]
    if not re.fullmatch("[A-Za-z0-9][A-Za-z0-9._-]{0,31}", name):
        raise Trouble(quoted(name) + " is not the name of a service", "name one", WRONG_USE)
    if name != "all" and profile.services and name not in profile.services:
        raise Trouble("%s is not among the services of %s" % (quoted(name), quoted(profile.file)), "", WRONG_USE)
    known = sum(profile.services.values(), []) if name == "all" else profile.services.get(name, [])
    return {"service": service_id(name)}, sorted(known, key=lambda e: name == "all" and e[0] != TCP)


def show_status(profile, request, host, family):
    print("profile     %s (%s)" % (as_line(profile.name), as_line(profile.file)))
    print("factor      %s%s" % (sorted(FACTORS, key=FACTORS.get)[profile.factor],
                                ", asked for on the terminal" if profile.needs_person else ""))
    for knock in knocks_for(profile, request, host, family):
        print("address     %s from %s%s" % (
            knock.target, knock.local, ", taken for one behind NAT" if knock.request.mode == SOURCE else ""))


def run(verb, host, what, options):
    named, base = options.get("--profile", ""), os.environ.get("XDG_CONFIG_HOME", "")
    own = os.path.join(base if os.path.isabs(base) else os.path.expanduser("~/.config"), "xknock")
    is_file = {"/", os.sep} & set(named)
    profile = Profile(named) if is_file else find_profile(options.get("--profiles", own), named or host)
    lifetime = matched(DURATION, duration, options.get("--lifetime", "0s"), "a duration: write 30s, 5m, 2h or 1d")
    fields, ports = {"protocol": TCP, "port": 1}, []  # close --all: the field must say something
    if verb != "status" and "--all" not in options:
        fields, ports = choose_service(profile, "tcp/" + what if verb == "proxy" else what or profile.service)
    action = OPEN if verb != "close" else CLOSE_ALL if "--all" in options else CLOSE
    request = Request(action, profile.factor, SOURCE, 0, 0, 0, lifetime or profile.lifetime, 0, 0, NO_ADDRESS,
                      NO_ADDRESS, NO_ADDRESS)._replace(**fields)
    family = FAMILY[4] if "-4" in options else FAMILY[6] if "-6" in options else profile.family
    # An alias, or the name of the profile's file, does not resolve.
    if not is_among(host, profile.hosts) and ("--profile" not in options or is_among(host, [profile.name])):
        host = profile.server if profile.server and not profile.gateway else (profile.hosts + [host])[0]
    if verb == "status":
        return show_status(profile, request, host, family)
    # Only a TCP port of the server itself says whether it is open.
    if verb == "close" or "--no-wait" in options or not ports or ports[0][0] != TCP:
        knock_only(profile, request, host, next_code(profile, options.get("--otp")), family)
        return say("knocked; a server does not answer, so nobody knows more here") if verb == "open" else None
    if verb == "open" and (len(ports) > 1 or lifetime):
        profile.probe_ms = 0  # one port that answers does not show that the others are open, nor for how long
    connection, seconds = connect(profile, request, host, ports[0][1], options.get("--otp"), family)
    if verb == "open" or "-v" in options:
        how = "answers without a knock" if seconds is None else "open %.2f ms after the knock" % (seconds * 1000)
        say("tcp/%d of %s %s" % (ports[0][1], address_of(connection.getpeername()), how))
    return relay(connection) if verb == "proxy" else None


def parse_command_line(arguments):
    try:
        found, words = getopt.gnu_getopt(arguments, "v46h", [
            "help", "version", "profile=", "profiles=", "otp=", "lifetime=", "no-wait", "all"])
    except getopt.GetoptError as e:
        raise Trouble(as_line(str(e)), "xknock.py --help", WRONG_USE)
    options = dict(found)
    if {"-h", "--help", "--version"} & set(options):
        print("xknock.py " + VERSION if "--version" in options else USAGE)
        sys.exit(0)
    verb, host, what = (words + ["", "", ""])[:3]
    if (verb not in ("open", "proxy", "close", "status") or not 0 < len(host) <= 253 or len(words) > 3
            or (verb == "proxy" and not re.fullmatch(PORT, what))):
        raise Trouble("open, proxy, close or status, a host, and a port or a service", "xknock.py --help", WRONG_USE)
    return verb, host, what, options


def main():
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # keys are in this process
    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):  # the terminal is put back first
        signal.signal(number, lambda number, frame: sys.exit(128 + number))
    try:
        run(*parse_command_line(sys.argv[1:]))
        return 0
    except KeyboardInterrupt:
        say("interrupted")
    except Trouble as e:
        say(as_line(e.message) + ("\n  hint: " + as_line(e.hint) if e.hint else ""))
        return e.code
    except OSError as e:
        say(as_line(str(e)))
    return FAILED


if __name__ == "__main__":
    sys.exit(main())
