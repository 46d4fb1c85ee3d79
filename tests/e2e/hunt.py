# SPDX-License-Identifier: MIT
# hunt.py ETC MODE ...: for secrets.sh. Knows every secret below the configuration directory ETC, what is derived from it
# (docs/protocol.md, "Keys"), and the codes of its TOTP secrets since $SINCE, in every form that somebody could write them in.
import base64, glob, hashlib, hmac, os, struct, sys, time
from urllib.parse import quote
etc, mode, args = sys.argv[1], sys.argv[2], sys.argv[3:]
def blake(data=b"", **more): return hashlib.blake2b(data, digest_size=32, **more).digest()
def subkey(key, number, context): return blake(key=key, salt=struct.pack("<QQ", number, 0), person=context + bytes(8))
def code(secret, step):
    mac = hmac.new(secret, struct.pack(">Q", step), "sha1").digest()
    return "%08d" % ((struct.unpack_from(">I", mac, mac[19] & 15)[0] & 0x7fffffff) % 10**8)
def line(path): return open(path).read().strip()
server, now = bytes.fromhex(line(etc + "/server_id")), int(time.time())
secrets, codes = {}, {}
for path in glob.glob(etc + "/credentials/*.yaml"):
    name, stem = os.path.basename(path)[:-5], path[:-5]
    ident = next(bytes.fromhex(l.split('"')[1]) for l in open(path) if l.startswith("id:"))
    key = secrets[name, "key"] = base64.b64decode(line(stem + ".key"))
    master = secrets[name, "master"] = blake(b"xknock/1" + server + ident, key=key)
    for number, what in (1, "gate"), (2, "seal"), (5, "nonce"):
        secrets[name, what] = subkey(master, number, b"xk1_root")
    if os.path.exists(stem + ".otp"):
        text = line(stem + ".otp")
        totp = "factor: totp" in open(path).read()
        secrets[name, "factor"] = base64.b32decode(text) if totp else base64.b64decode(text)
        if totp:
            first = int(os.environ.get("SINCE", now)) // 30 - 2
            codes[name] = [code(secrets[name, "factor"], step) for step in range(first, now // 30 + 3)]
def forms(raw):
    b64, b32, digits = base64.b64encode(raw).decode(), base64.b32encode(raw).decode().rstrip("="), raw.hex()
    texts = {"base64": b64.rstrip("="), "base64url": b64.rstrip("=").translate({43: "-", 47: "_"}),
             "percent": quote(b64.rstrip("="), safe=""), "base32": b32, "small base32": b32.lower(), "hex": digits,
             "HEX": digits.upper()}
    return {"raw": raw, **{form: text.encode() for form, text in texts.items()}}
def cut(form, b):
    size = len(b) // (2 if form == "raw" else 4)
    return tuple(b[i:i + size] for i in range(0, len(b) - size + 1, size))
# (credential, what, form) -> byte strings of which none may be anywhere: parts, so that half a secret is found too.
needles = {(name, what, form): cut(form, b) for (name, what), raw in secrets.items() for form, b in forms(raw).items()}
needles |= {(name, "code", "text"): tuple(c.encode() for c in some) for name, some in codes.items()}
needles |= {("planted", word, "text"): (word.encode(),) for word in os.environ.get("PLANTED", "").split()}
def found(data): return [n for n, parts in needles.items() if any(p in data for p in parts)]
if mode == "code":    # NAME: its code of now
    print(code(secrets[args[0], "factor"], now // 30))
elif mode == "plant": # FILE: writes a part of everything there; prints how many
    open(args[0], "wb").write(b"\0".join(parts[-1] for parts in needles.values()))
    print(len(needles))
elif mode == "files": # FILE...: prints what is in them
    for path in args:
        for hit in found(open(path, "rb").read()):
            print(*hit, "in", path)
elif mode == "memory": # PID [STRING...]: prints what its memory holds, and whether that part of it is locked
    needles |= {("control", word, "text"): (word.encode(),) for word in args[1:]}
    memory, seen = open(f"/proc/{args[0]}/mem", "rb", 0), set()
    for l in open(f"/proc/{args[0]}/smaps"):
        if "-" in l.split()[0]:
            begin, end = (int(x, 16) for x in l.split()[0].split("-"))
            rights = l.split()[1]
        elif l.startswith("VmFlags:") and "r" in rights:
            flags = l.split()[1:]
            try:
                memory.seek(begin)
                data = b"".join(iter(lambda: memory.read(min(1 << 20, end - memory.tell())), b""))
            except (OSError, OverflowError, ValueError): # [vvar] and the like are not memory
                continue
            seen |= {(*hit, "locked" if {"lo", "dd"} <= set(flags) else "swappable") for hit in found(data)}
    for hit in sorted(seen):
        print(*hit)
