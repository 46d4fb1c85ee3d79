# SPDX-License-Identifier: MIT
# answers.py INTERFACE GATEWAY_MAC SOURCE TARGET PORT [count N | syn SOURCE_PORT]: what a host answers to packets that a scanner sends to one
# port, byte for byte. What must differ between two ports (the ports, checksums, IP's identification where it counts) is left
# out, so that the output for two ports can be compared. "count N" sends N datagrams at once and prints how many ICMP
# errors come back; "syn" sends one SYN from that port and prints "syn-ack", "other" or "silence".
import ipaddress, os, select, socket, struct, sys, time
interface, gateway, source, target, port = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5])
v6 = ":" in target
src, dst = ipaddress.ip_address(source).packed, ipaddress.ip_address(target).packed
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
wire.bind((interface, 0))
mac = wire.getsockname()[4]
def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16: total = (total & 0xffff) + (total >> 16)
    return 0xffff & ~total
def ip(protocol, payload, tos=0, label=0, options=b""):
    if v6:
        head = struct.pack("!IHBB", 6 << 28 | tos << 20 | label, len(payload), protocol, 64) + src + dst
        return b"\x86\xdd", head + payload
    length = 20 + len(options)
    head = struct.pack("!BBHHHBBH", 0x40 | length // 4, tos, length + len(payload), 0x1234, 0x4000, 64, protocol, 0) + src + dst + options
    return b"\x08\x00", head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload
def pseudo(protocol, length): return src + dst + (struct.pack("!IxxxB", length, protocol) if v6 else struct.pack("!xBH", protocol, length))
def tcp(sport, flags, data=b"", options=b"", wrong=0, **more):
    head = struct.pack("!HHIIBBHHH", sport, port, 0x11223344, 0x55667788 if flags & 0x10 else 0, (20 + len(options)) // 4 << 4, flags, 1024, 0, 0) + options
    total = checksum(pseudo(6, len(head + data)) + head + data) ^ wrong
    return ip(6, head[:16] + struct.pack("!H", total) + head[18:] + data, **more)
def udp(sport, data, **more):
    head = struct.pack("!HHHH", sport, port, 8 + len(data), 0)
    return ip(17, head[:6] + struct.pack("!H", checksum(pseudo(17, len(head + data)) + head + data) or 0xffff) + data, **more)
def send(frame): wire.send(gateway_mac + mac + frame[0] + frame[1])
gateway_mac = bytes.fromhex(gateway.replace(":", ""))
def replies(sport, seconds=0.25):
    end, found = time.monotonic() + seconds, []
    while (left := end - time.monotonic()) > 0 and select.select([wire], [], [], left)[0]:
        frame, address = wire.recvfrom(2048)
        if address[2] == socket.PACKET_OUTGOING or frame[12:14] != (b"\x86\xdd" if v6 else b"\x08\x00"): continue
        packet = frame[14:]
        if v6:
            if packet[8:24] != dst or packet[24:40] != src: continue
            protocol, head, body = packet[6], packet[:40], packet[40:40 + struct.unpack("!H", packet[4:6])[0]]
            # A label that the kernel makes of a flow's hash: there or not is what tells.
            flow = struct.unpack("!I", head[:4])[0]
            about = "class %d label %s hops %d" % (flow >> 20 & 255, "none" if flow & 0xfffff == 0 else "some", head[7])
        else:
            if packet[12:16] != dst or packet[16:20] != src: continue
            size = (packet[0] & 15) * 4
            protocol, head, body = packet[9], packet[:size], packet[size:struct.unpack("!H", packet[2:4])[0]]
            identity = struct.unpack("!H", head[4:6])[0]
            about = "tos %d id %s flags %d ttl %d options %s" % (head[1], "zero" if identity == 0 else "some", head[6] >> 5, head[8], head[20:].hex())
        if protocol == 6:
            if struct.unpack("!HH", body[:4]) != (port, sport): continue
            found.append("%s tcp %s" % (about, body[4:16].hex() + body[18:].hex()))
        elif protocol in (1, 58):
            # The type, the code and what is quoted, without ports and checksums.
            quoted = bytearray(body[8:])
            inner = 40 if v6 else (quoted[0] & 15) * 4
            if struct.unpack("!HH", quoted[inner:inner + 4]) != (sport, port): continue
            if not v6: quoted[10:12] = b"\0\0"
            at = inner + (6 if quoted[6 if v6 else 9] == 17 else 16)
            quoted[inner:inner + 4] = b"\0" * 4
            quoted[at:at + 2] = b"\0\0"
            found.append("%s icmp %d %d %s" % (about, body[0], body[1], bytes(quoted).hex()))
    return found
if sys.argv[6:7] == ["count"]:
    for n in range(int(sys.argv[7])): send(udp(30000, b"x"))
    print(len(replies(30000, 0.6)))
    sys.exit()
SYN, ACK, FIN, RST, PSH, URG = 2, 16, 1, 4, 8, 32
if sys.argv[6:7] == ["syn"]:
    send(tcp(int(sys.argv[7]), SYN))
    answer = replies(int(sys.argv[7]), 0.6)
    print("silence" if not answer else "syn-ack" if any(a.split("tcp ")[1][18:20] == "12" for a in answer) else "other")
    sys.exit()
mss = bytes.fromhex("020405b4")
probes = [("syn", tcp, (SYN,), dict(options=mss)), ("syn without options", tcp, (SYN,), {}), ("syn with data", tcp, (SYN, b"hello"), {}),
    ("ecn", tcp, (SYN | 0xc0,), dict(options=mss)), ("syn of a class", tcp, (SYN,), dict(tos=0x48)), ("syn with a flow label", tcp, (SYN,), dict(label=0x12345)),
    ("syn fin", tcp, (SYN | FIN,), {}), ("syn rst", tcp, (SYN | RST,), {}), ("syn ack", tcp, (SYN | ACK,), {}), ("ack", tcp, (ACK,), {}), ("ack with data", tcp, (ACK | PSH, b"hello"), {}),
    ("fin", tcp, (FIN,), {}), ("null", tcp, (0,), {}), ("xmas", tcp, (FIN | PSH | URG,), {}), ("rst", tcp, (RST,), {}), ("fin ack", tcp, (FIN | ACK,), {}),
    ("wrong checksum", tcp, (SYN,), dict(wrong=0x55)), ("again", tcp, (SYN,), dict(options=mss)),
    ("udp", udp, (b"hello",), {}), ("udp of nothing", udp, (b"",), {}), ("udp of a class", udp, (b"x" * 100,), dict(tos=0x20)), ("large udp", udp, (b"y" * 1200,), {})]
for number, (name, make, args, more) in enumerate(probes):
    sport = 31000 + number
    if name == "again": sport = 31000
    send(make(sport, *args, **more))
    print("%-22s %s" % (name, " | ".join(replies(sport)) or "silence"))
