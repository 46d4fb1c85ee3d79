// SPDX-License-Identifier: MIT
//
// xk-flood: many packets with forged sources, as fast as a packet socket takes them. For the end-to-end tests only: it
// sends to addresses for documentation, from sources of 198.18.0.0/15 (RFC 2544), and ten million packets at most.
//   hellos  authentic hellos of one device, among packets of a knock's length that are random or copies of a hello
//   scan    datagrams and SYNs, in turn, to all ports
// Prints how many it sent and in how many milliseconds.
#include "client/profile.h"
#include "protocol/base/clock.h"
#include "protocol/base/fd.h"
#include "protocol/handshake.h"

#include <CLI/CLI.hpp>

#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstring>
#include <functional>
#include <iostream>
#include <vector>

using namespace xk;

namespace {

constexpr std::uint64_t kMostPackets = 10'000'000;
constexpr std::size_t kBatch = 64;

volatile std::sig_atomic_t stopped = 0;

struct Options {
    std::string interface, to, mac, profile;
    std::uint16_t port = 62201;
    std::uint32_t sources = 100'000; // of 131,072
    std::uint64_t packets = 1'000'000;
    bool until_stopped = false; // more than these, until SIGTERM
    // `hellos_each` hellos of each number, from `first` on
    std::uint64_t first = 1, numbers = 32, hellos_each = 32;
};

struct Frame {
    ether_header eth{};
    iphdr ip{};
    union {
        struct {
            udphdr udp;
            std::uint8_t payload[wire::kPacketSize];
        } datagram;
        tcphdr tcp;
    } __attribute__((packed)) part{};
    std::size_t size() const { return sizeof eth + ntohs(ip.tot_len); }
} __attribute__((packed));

// xorshift64 (Marsaglia, 2003): nothing here is a secret.
std::uint64_t random64() {
    static std::uint64_t x = 88172645463325252;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return x;
}

std::uint32_t sum_of(const void* bytes, std::size_t size) {
    std::uint32_t sum = 0;
    for (std::size_t at = 0; at + 1 < size; at += 2) {
        std::uint16_t half = 0;
        std::memcpy(&half, static_cast<const std::uint8_t*>(bytes) + at, sizeof half);
        sum += half;
    }
    return sum;
}
std::uint16_t checksum(std::uint32_t sum) {
    sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<std::uint16_t>(~((sum & 0xffff) + (sum >> 16)));
}

// What changes from packet to packet. A datagram has no checksum (RFC 768), a SYN has the right one.
void set_source(Frame& f, const Options& o) {
    const std::uint64_t r = random64();
    f.ip.saddr = htonl(0xc6120000u + static_cast<std::uint32_t>(r >> 32) % o.sources);
    f.ip.check = 0;
    f.ip.check = checksum(sum_of(&f.ip, sizeof f.ip));
    const auto port = static_cast<std::uint16_t>(htons(static_cast<std::uint16_t>(1024 + r % 60000)));
    if (f.ip.protocol == IPPROTO_UDP) {
        f.part.datagram.udp.source = port;
        return;
    }
    f.part.tcp.source = port;
    f.part.tcp.check = 0;
    f.part.tcp.check = checksum(sum_of(&f.part.tcp, sizeof f.part.tcp) + sum_of(&f.ip.saddr, 8) + htons(IPPROTO_TCP) +
                                htons(sizeof f.part.tcp));
}

Frame make_frame(const Options& o, std::uint8_t protocol, std::size_t payload) {
    Frame f;
    const ether_addr* const mac = ::ether_aton(o.mac.c_str());
    if (mac != nullptr)
        std::memcpy(f.eth.ether_dhost, mac, ETH_ALEN);
    f.eth.ether_shost[0] = 2; // locally administered
    f.eth.ether_type = htons(ETHERTYPE_IP);
    f.ip.version = 4;
    f.ip.ihl = 5;
    f.ip.ttl = 64;
    f.ip.protocol = protocol;
    const auto to = Address::parse(o.to).value().v4_bytes();
    std::uint32_t destination = 0;
    std::memcpy(&destination, to.data(), sizeof destination);
    f.ip.daddr = destination;
    std::size_t size = sizeof f.ip;
    if (protocol == IPPROTO_UDP) {
        size += sizeof(udphdr) + payload;
        f.part.datagram.udp.dest = htons(o.port);
        f.part.datagram.udp.len = htons(static_cast<std::uint16_t>(sizeof(udphdr) + payload));
    } else {
        size += sizeof(tcphdr);
        f.part.tcp.th_off = sizeof(tcphdr) / 4;
        f.part.tcp.th_flags = TH_SYN;
        f.part.tcp.th_win = htons(65535);
    }
    f.ip.tot_len = htons(static_cast<std::uint16_t>(size));
    return f;
}

// `fill` makes the n-th packet out of an earlier one. Returns how many were sent.
Result<std::uint64_t> send_all(const Options& o, const std::function<void(std::uint64_t, Frame&)>& fill) {
    const Fd fd(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
    sockaddr_ll to{};
    to.sll_family = AF_PACKET;
    to.sll_protocol = htons(ETH_P_IP);
    to.sll_ifindex = static_cast<int>(::if_nametoindex(o.interface.c_str()));
    const int on = 1;
    if (!fd || to.sll_ifindex == 0 || ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0 ||
        ::setsockopt(fd.get(), SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on) != 0)
        return os_error("making a packet socket");
    std::vector<Frame> frames(kBatch);
    std::array<iovec, kBatch> parts{};
    std::array<mmsghdr, kBatch> messages{};
    std::uint64_t sent = 0;
    for (; sent < o.packets || (o.until_stopped && stopped == 0 && sent < kMostPackets); sent += kBatch) {
        for (std::size_t i = 0; i < kBatch; ++i) {
            fill(sent + i, frames[i]);
            parts[i] = {&frames[i], frames[i].size()};
            messages[i].msg_hdr.msg_iov = &parts[i];
            messages[i].msg_hdr.msg_iovlen = 1;
        }
        for (std::size_t at = 0; at < kBatch;) {
            const int done = ::sendmmsg(fd.get(), &messages[at], static_cast<unsigned>(kBatch - at), 0);
            if (done < 0 && errno != ENOBUFS && errno != EINTR)
                return os_error("sending");
            at += static_cast<std::size_t>(std::max(done, 0));
        }
    }
    return sent;
}

Result<std::uint64_t> scan(const Options& o) {
    const Frame datagram = make_frame(o, IPPROTO_UDP, 0), syn = make_frame(o, IPPROTO_TCP, 0);
    return send_all(o, [&](std::uint64_t n, Frame& f) {
        f = n % 2 == 0 ? datagram : syn;
        const auto port = htons(static_cast<std::uint16_t>(1 + n / 2 % 65535));
        (n % 2 == 0 ? f.part.datagram.udp.dest : f.part.tcp.dest) = port;
        set_source(f, o);
    });
}

Result<std::uint64_t> hellos(const Options& o) {
    const auto profile = client::load_profile(o.profile);
    if (!profile)
        return profile.error();
    Secret<handshake::Keys> keys;
    handshake::derive_keys(*keys, profile->keys->handshake);
    std::vector<wire::Packet> made;
    for (std::uint64_t i = 0; i < o.numbers * o.hellos_each; ++i) {
        Secret<noise::Handshake> state;
        Key ephemeral;
        randombytes_buf(ephemeral.data(), ephemeral.size());
        made.push_back(handshake::write_hello(*state, *keys, profile->server_id, o.first + i / o.hellos_each, ephemeral,
                                              Now::read().wall));
    }
    const Frame frame = make_frame(o, IPPROTO_UDP, wire::kPacketSize);
    // A hello at regular distances; of the packets between them each second one is a copy of an earlier hello.
    const std::uint64_t distance = std::max<std::uint64_t>(o.packets / made.size(), 2);
    return send_all(o, [&](std::uint64_t n, Frame& f) {
        if (n < kBatch)
            f = frame;
        std::uint8_t* const payload = f.part.datagram.payload;
        const std::size_t next = n / distance % made.size();
        if (n % distance == 0) {
            std::memcpy(payload, made[next].data(), made[next].size());
        } else if (n % 2 == 0) {
            std::memcpy(payload, made[random64() % (next + 1)].data(), wire::kPacketSize);
        } else {
            for (std::size_t at = 0; at < wire::kPacketSize; at += sizeof(std::uint64_t)) {
                const std::uint64_t word = random64();
                std::memcpy(payload + at, &word, sizeof word);
            }
        }
        set_source(f, o);
    });
}

Result<void> run(const Options& o, const std::function<Result<std::uint64_t>(const Options&)>& kind) {
    const auto to = Address::parse(o.to);
    if (!to)
        return to.error();
    if (!Prefix::parse("192.0.2.0/24")->contains(*to) && !Prefix::parse("198.51.100.0/24")->contains(*to))
        return Error{o.to + " is not an IPv4 address for documentation", {}};
    const auto begin = std::chrono::steady_clock::now();
    const auto sent = kind(o);
    if (!sent)
        return sent.error();
    std::cout << *sent << " "
              << std::chrono::ceil<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin).count() << "\n";
    return {};
}

} // namespace

int main(int argc, char** argv) {
    CLI::App app("xk-flood");
    app.require_subcommand(1);
    Options o;
    std::function<Result<std::uint64_t>(const Options&)> kind;
    const auto common = [&](CLI::App& verb) {
        verb.add_option("--interface", o.interface, "out of which it goes")->required();
        verb.add_option("--to", o.to)->required();
        verb.add_option("--mac", o.mac, "of the next hop")->required();
        verb.add_option("--sources", o.sources)->check(CLI::Range(1, 131072));
        verb.add_option("--packets", o.packets)->check(CLI::Range(std::uint64_t{1}, kMostPackets));
        verb.add_flag("--until-stopped", o.until_stopped, "more than these, until SIGTERM");
    };
    CLI::App& hello_verb = *app.add_subcommand("hellos");
    common(hello_verb);
    hello_verb.add_option("--profile", o.profile)->required();
    hello_verb.add_option("--port", o.port);
    hello_verb.add_option("--first", o.first, "number of the first hello");
    hello_verb.callback([&] { kind = hellos; });
    CLI::App& scan_verb = *app.add_subcommand("scan");
    common(scan_verb);
    scan_verb.callback([&] { kind = scan; });
    CLI11_PARSE(app, argc, argv);
    std::signal(SIGTERM, [](int) { stopped = 1; });
    if (auto done = run(o, kind); !done) {
        std::cerr << "xk-flood: " << done.error().message << "\n";
        return 1;
    }
    return 0;
}
