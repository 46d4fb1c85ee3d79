#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""client/xknock.py computes what tests/vectors say, is Python 3.6 of the standard library alone, and reads profiles as
strictly as knock-client. With "--inner" this is run by each Python that is here, from 3.6 on."""
import ast
import errno
import importlib.util
import io
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

TOP = pathlib.Path(__file__).resolve().parents[3]
FILE = TOP / "client" / "xknock.py"
sys.dont_write_bytecode = True
spec = importlib.util.spec_from_file_location("xknock", str(FILE))
xknock = importlib.util.module_from_spec(spec)
spec.loader.exec_module(xknock)

# Beside what every platform has, what is asked for only where it is.
EVERYWHERE = {"base64", "collections", "contextlib", "errno", "getopt", "getpass", "hashlib", "hmac", "ipaddress", "itertools", "json", "os",
              "pathlib", "re", "select", "signal", "socket", "stat", "struct", "sys", "threading", "time"}
SOMEWHERE = {"resource"}
# What came after 3.6 and is easily written by habit.
LATER = re.compile(r"capture_output|\btext=True|time_ns|removeprefix|removesuffix|fromisoformat|missing_ok|create_server|"
                   r"dataclass|math\.prod|shlex\.join|cached_property|print\(f|\bf\"|\bf'")


def blocks(name):
    for block in (TOP / "tests" / "vectors" / name).read_text().split("\n\n"):
        pairs = [line.split(" = ", 1) for line in block.splitlines() if line and not line.startswith("#")]
        if pairs:
            yield {key: value for key, value in pairs}


def raw(text):
    return bytes.fromhex(text)


class Vectors(unittest.TestCase):
    def test_siphash_is_that_of_its_authors(self):
        lines = [b for b in blocks("siphash.txt")][0]
        self.assertEqual(len(lines), 64)
        for length, mac in lines.items():
            self.assertEqual(xknock.siphash_2_4(bytes(range(16)), bytes(range(int(length)))).hex(), mac)

    def test_the_keys_of_a_credential_and_of_its_slots(self):
        first, *rest = blocks("keys.txt")
        keys = xknock.derive_keys(raw(first["credential"]), raw(first["server"]), raw(first["id"]))
        self.assertEqual([k.hex() for k in keys], [first["gate"], first["seal"], first["nonce"]])
        slots = [b for b in rest if "slot" in b]
        for block in slots:
            found = xknock.slot_keys(keys, int(block["slot"]))
            self.assertEqual([k.hex() for k in found], [block["tag"], block["mac_key"], block["box_key"]])
        services = [b for b in rest if "service" in b]
        for block in services:
            self.assertEqual(xknock.service_id(block["service"]), int(block["service_id"]))
        self.assertGreater(min(len(slots), len(services)), 4)

    def test_one_time_codes(self):
        for block in blocks("otp.txt"):
            code = xknock.totp(raw(block["secret"]), int(block["step"]), int(block["digits"]))
            self.assertEqual(code, block["code"])

    def test_whole_packets(self):
        seen = 0
        for b in blocks("packets.txt"):
            keys = xknock.derive_keys(raw(b["credential"]), raw(b["server"]), raw(b["credential_id"]))
            address, target = (xknock.raw(xknock.ipaddress.ip_address(b[n])) if b[n] else bytes(16) for n in ("address", "target"))
            numbers = [int(b[n]) for n in "action factor mode protocol flags port lifetime service clock".split()]
            request = xknock.Request(*(numbers + [address, raw(b["id"]), target]))
            self.assertEqual(request.clock // (xknock.SLOT * 1000000), int(b["slot"]))
            slot = xknock.slot_keys(keys, int(b["slot"]))
            proof = raw(b["proof"])
            if b["factor"] == "2":
                proof = xknock.hmac_proof(raw(b["hmac_key"]), raw(b["server"]), slot.tag, raw(b["nonce"]),
                                          xknock.request_head(request)).ljust(64, b"\0")
            self.assertEqual(proof.hex(), b["proof"])
            self.assertEqual((xknock.request_head(request) + proof).hex(), b["request"])
            self.assertEqual(xknock.seal_with(slot, raw(b["nonce"]), raw(b["request"])).hex(), b["packet"])
            seen += 1
        self.assertGreater(seen, 8)

    def test_a_sealed_packet_repeats_no_nonce(self):
        keys = xknock.derive_keys(bytes(32), bytes(16), bytes(8))
        request = xknock.Request(1, 0, 0, 6, 0, 22, 0, 0, 5, bytes(16), bytes(16), bytes(16))
        packets = [xknock.seal(keys, 5, request, b"") for _ in range(2)]
        self.assertEqual([len(p) for p in packets], [192, 192])
        self.assertNotEqual(packets[0][16:40], packets[1][16:40])


class Source(unittest.TestCase):
    def test_is_python_3_6_of_the_standard_library(self):
        text = FILE.read_text()
        tree = ast.parse(text, feature_version=(3, 6)) if sys.version_info >= (3, 8) else ast.parse(text)
        named = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                named |= {name.name for name in node.names}
            if isinstance(node, ast.ImportFrom):
                named.add(node.module)
        self.assertEqual(named - EVERYWHERE - SOMEWHERE, set())
        top = {name.name for node in tree.body if isinstance(node, ast.Import) for name in node.names}
        self.assertEqual(top & SOMEWHERE, set())
        self.assertIsNone(LATER.search(text))

    def test_is_short_enough_to_be_read(self):
        lines = FILE.read_text().splitlines()
        self.assertLessEqual(len(lines), 700)
        self.assertLessEqual(max(map(len, lines)), 120)

    def test_has_the_blank_lines_of_pep_8(self):
        lines = FILE.read_text().splitlines()
        for number, line in enumerate(lines):
            if line.startswith(("def ", "class ")):
                above = [text for text in lines[:number] if not text.startswith("# ")][-2:]
                self.assertEqual(above, ["", ""], line)

    def test_has_the_version_of_the_project(self):
        version = re.search(r"project\(xknock VERSION ([0-9.]+)", (TOP / "CMakeLists.txt").read_text()).group(1)
        self.assertEqual(xknock.VERSION, version)


PROFILE = """server_id: "%s"
credential: "%s"
key: "%s="
factor: none
""" % ("a0" * 16, "01" * 8, "A" * 43)


class Profiles(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        os.chmod(self.directory.name, 0o700)
        self.addCleanup(self.directory.cleanup)

    def read(self, text, name="anna.yaml"):
        path = os.path.join(self.directory.name, name)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
        return xknock.Profile(path)

    def faults(self, text):
        with self.assertRaises(xknock.Trouble) as caught:
            self.read(text)
        self.assertEqual(caught.exception.code, 78)
        return caught.exception.message

    def test_reads_what_keygen_and_the_documents_write(self):
        p = self.read('# head\n---\n' + PROFILE + 'hosts: ["a.example", "b\'c", "d"]  # three\nservices:\n'
                      '  ssh: tcp/22  # one\n\n  # both\n  web: ["tcp/80", "tcp/443"]\n  games: ["tcp/27015-27030", "tcp/22@203.0.113.7"]\n'
                      'lifetime: 5m\nname: "\\u0041\\u00e9"\nserver: 2001:db8::1\nnat: never\nfamily: ipv6\nstun: stun.example\n')
        self.assertEqual(p.hosts, ["a.example", "b'c", "d"])
        self.assertEqual(p.services, {"ssh": [(6, 22)], "web": [(6, 80), (6, 443)], "games": []})
        self.assertEqual((p.lifetime, p.name, p.server, p.wait), (300, "A\u00e9", "2001:db8::1", 10))
        self.assertEqual((p.nat, p.family), ("never", xknock.socket.AF_INET6))

    def test_says_a_fault_with_its_line_and_no_secret(self):
        said = self.faults(PROFILE.replace('key: "', 'key: "x'))
        self.assertIn("anna.yaml:3: key is not what docs/client.md has", said)
        self.assertNotIn("A" * 20, said)
        self.assertIn("anna.yaml:5: wiat is no key", self.faults(PROFILE + "wiat: 3s\n"))

    def test_refuses_what_it_does_not_read(self):
        for text in ("server: *a", "server: &a b", "server: |\n  x", "server: !t x", "? a", "server: [a", "server: 'a",
                     'server: "a', 'server: "\\q"', "server: a: b", "hosts: [[a]]", "\tserver: a", "  server: a", "server",
                     "server: [a] b", "hosts: [a]", "hosts: [1]", "hosts: {}", "hosts: \"a\"b", "server: a#b", "wait: 0s", "wait: 5", "lifetime: 99999d", "knock_port: 0", "digits: 7",
                     "knock_port: 65536", "gateway: true", "gateway: yes", "services:\n  ssh: tcp/0", "services: ssh",
                     "services: {ssh: tcp/22}", "hosts:\n- a", "hosts: [a,\n b]", "services:\n  a: tcp/1\n   b: tcp/2",
                     "hmac_key: x", "otp_secret: JBSWY3DPEHPK3PXP", "otp_command: [a]", "nat: true", "nat: false",
                     "factor: none", "server: []", "server:", "server: ~", "probe_ms: 10001", "a: {b: c", "server: a\n...\n",
                     "services:\n  ssh:\n    tcp/22", "services:\n  ssh:"):
            with self.subTest(text):
                self.assertIn("anna.yaml:", self.faults(PROFILE + text + "\n"))
        for text in ("", "# nothing\n", "- a\n", "a\n", "[a]\n", "key: a\n"):
            with self.subTest(text):
                self.assertIn("anna.yaml", self.faults(text))

    def test_refuses_files_that_others_can_read_change_or_exchange(self):
        path = self.read(PROFILE).file
        for mode, said in ((0o640, "read by others (mode 0640)"), (0o602, "written by others (mode 0602)")):
            os.chmod(path, mode)
            with self.assertRaisesRegex(xknock.Trouble, re.escape(said)):
                xknock.Profile(path)
        os.chmod(path, 0o600)
        os.symlink(path, path + ".link")
        with self.assertRaisesRegex(xknock.Trouble, "symbolic link"):
            xknock.Profile(path + ".link")
        os.link(path, path + ".second")
        with self.assertRaisesRegex(xknock.Trouble, "second hard link"):
            xknock.Profile(path)
        os.unlink(path + ".second")
        os.chmod(self.directory.name, 0o777)
        with self.assertRaisesRegex(xknock.Trouble, "written by others"):
            xknock.Profile(path)


class Addresses(unittest.TestCase):
    def test_which_are_named_in_a_knock(self):
        for text, world in (
                ("192.0.2.1", True), ("10.1.2.3", False), ("172.32.0.1", True), ("127.0.0.1", False),
                ("169.254.1.1", False), ("100.64.0.1", False), ("224.0.0.1", False), ("2001:db8::1", True),
                ("fd00::1", False), ("fe80::1", False), ("::1", False), ("ff02::1", False), ("192.0.0.4", False)):
            address = xknock.ipaddress.ip_address(text)
            self.assertEqual(not xknock.lies_in(address, xknock.NOT_GLOBAL), world, text)

    def test_of_ours_that_a_knock_names(self):
        """By turns where it may be translated on the way, in no packet where it surely is, and as the profile's nat says."""
        bound, source = xknock.BOUND, xknock.SOURCE
        for nat, local, server, wanted in (
                ("auto", "192.0.2.2", "192.0.2.1", [bound, source, bound]),
                ("auto", "10.1.2.3", "192.0.2.1", [source, source, source]),
                ("auto", "2001:db8::2", "2001:db8::1", [bound, source, bound]),
                ("auto", "2001:db8::2", "64:ff9b::c000:201", [source, bound, source]),
                ("never", "10.1.2.3", "192.0.2.1", [bound, bound, bound]),
                ("never", "2001:db8::2", "64:ff9b::c000:201", [bound, bound, bound]),
                ("always", "192.0.2.2", "192.0.2.1", [source, source, source])):
            sent = []
            address = xknock.raw(xknock.ipaddress.ip_address(local))
            with mock.patch.object(xknock.socket, "socket") as sockets, \
                    mock.patch.object(xknock, "seal", lambda keys, clock, request, *proof: sent.append(request) or b"packet"):
                sockets().getsockname.return_value = (local, 4242)
                profile = mock.Mock(nat=nat, knock_port=62201)
                request = xknock.Request(*[0] * 12)._replace(mode=source, address=xknock.NO_ADDRESS)
                knock = xknock.Knock(profile, request, xknock.ipaddress.ip_address(server), None)
                for _ in wanted:
                    knock.send("")
            named = [(mode, address if mode == bound else xknock.NO_ADDRESS) for mode in wanted]
            self.assertEqual([(r.mode, r.address) for r in sent], named, (nat, local, server))


class Turns(unittest.TestCase):
    """Two addresses, a clock that stands still but for waiting, and a network that resets every connection at once."""
    def setUp(self):
        self.now, self.sent, self.waits = 100.0, [], 0
        self.clock, xknock.time = xknock.time, self
        self.addCleanup(setattr, xknock, "time", self.clock)

    def monotonic(self):
        return self.now

    def knock(self, name):
        test = self

        class Knock(xknock.Knock):
            def __init__(self):
                self.is_decided, self.began = False, None

            def send(self, code):
                test.sent.append((name, round(test.now - 100, 3)))

            def send_copy(self):
                test.sent.append((name + " again", round(test.now - 100, 3)))
        return Knock()

    def network(self, error, opens):
        test = self

        class Attempts:
            pending = []

            def begin(self, knock):
                knock.failed(error, test.now)

            def wait(self, end, is_over=lambda: False):
                test.waits += 1
                test.assertLess(test.waits, 1000, "it turns without end")
                test.now = test.now if is_over() else max(test.now, end)
                return "connected" if opens in [name for name, _ in test.sent] else None
        return Attempts()

    def test_a_late_reset_gives_the_other_address_its_turn_at_once(self):
        first, second = self.knock("first"), self.knock("second")
        connection = xknock.knock_and_try([first, second], "", self.network(errno.ECONNREFUSED, "second"), 110.0)
        self.assertEqual((connection, self.sent), ("connected", [("first", 0.0), ("second", 0.015)]))

    def test_an_early_reset_may_be_a_port_that_is_still_shut(self):
        first, second = self.knock("first"), self.knock("second")
        first.began = 100.0
        first.failed(errno.ECONNREFUSED, 100.0 + xknock.LATE / 2)
        self.assertFalse(first.is_decided)
        xknock.knock_and_try([first, second], "", self.network(errno.ETIMEDOUT, "second"), 110.0)
        self.assertEqual(self.sent, [("first", 0.0), ("first again", 0.25), ("second", 0.5)])

    def test_where_no_address_is_left_each_keeps_its_turn(self):
        first, second = self.knock("first"), self.knock("second")
        xknock.knock_and_try([first, second], "", self.network(errno.EHOSTUNREACH, "none"), 110.0)
        knocks = [name for name, _ in self.sent if "again" not in name]
        self.assertLessEqual(len(knocks), 20)  # in ten seconds: the server's limit is two in a second


def pythons():
    """The ones that are here, 3.6 first. A name without a program behind it (a shim) does not count."""
    for minor in range(6, 20):
        name = "python3.%d" % minor
        for program in (name, os.path.expanduser("~/.pyenv/versions")):
            built = pathlib.Path(program).glob("3.%d.*/bin/%s" % (minor, name))
            candidates = [program] if program == name else sorted(map(str, built))
            for candidate in candidates:
                try:
                    ask = subprocess.run([candidate, "-c", "pass"], stderr=subprocess.DEVNULL)
                except OSError:
                    continue
                if ask.returncode == 0:
                    yield candidate


if __name__ == "__main__":
    if "--inner" in sys.argv:
        unittest.main(argv=sys.argv[:1])
    failed = []
    for python in [sys.executable] + list(pythons()):
        print("== " + python, flush=True)
        if subprocess.run([python, __file__, "--inner"]).returncode != 0:
            failed.append(python)
    sys.exit("failed: " + ", ".join(failed) if failed else 0)
