// SPDX-License-Identifier: MIT
//
// xk-bench-flood: junk UDP of a knock's length, content and source at random, or SYNs, as fast as the kernel can make
// it (BPF_PROG_TEST_RUN with live frames) or at a given rate. For a namespace of a test's own: it refuses to run
// outside of a named one ("ip netns add") and every destination that is no documentation address, and it ends after ten
// seconds at the latest. SIGTERM ends it before. Prints packets and seconds.
#include "protocol/base/address.h"
#include "protocol/base/fd.h"
#include "protocol/base/result.h"

#include "bpf/abi.h"
#include "generator.skel.h"

#include <CLI/CLI.hpp>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <memory>
#include <random>
#include <thread>
#include <vector>

using namespace xk;
using Clock = std::chrono::steady_clock;

namespace {

constexpr double kLongest = 10; // seconds

volatile std::sig_atomic_t stopped = 0;

struct Options {
    std::string interface, to, mac;
    std::uint16_t port = 62201;
    double seconds = 1;
    unsigned rate = 0; // packets a second; 0: as fast as it goes
    bool base64 = false;
    bool syn = false;
    bool scan = false; // SYNs, each to another port
};

struct Datagram {
    udphdr udp;
    std::uint8_t payload[XK_PACKET_SIZE];
} __attribute__((packed));

struct Frame {
    ether_header eth;
    iphdr ip;
    union {
        Datagram datagram;
        tcphdr tcp;
    };
} __attribute__((packed));

constexpr std::size_t kSynSize = sizeof(ether_header) + sizeof(iphdr) + sizeof(tcphdr);
std::size_t size_of(const Options& o) { return o.syn ? kSynSize : sizeof(Frame); }

using Generator = std::unique_ptr<generator_bpf, decltype(&generator_bpf::destroy)>;

Result<void> refuse_the_wrong_place(const Options& o) {
    struct stat here, named;
    if (::stat("/proc/self/ns/net", &here) != 0)
        return os_error("looking at the network namespace");
    bool is_named = false;
    std::error_code failure; // then there are none
    for (const auto& entry : std::filesystem::directory_iterator("/run/netns", failure))
        is_named |= ::stat(entry.path().c_str(), &named) == 0 && named.st_ino == here.st_ino;
    if (!is_named)
        return Error{"this is not a network namespace of a test", {}};
    auto to = Address::parse(o.to);
    if (!to)
        return to.error();
    for (const char* range : {"192.0.2.0/24", "198.51.100.0/24"})
        if (Prefix::parse(range)->contains(*to))
            return {};
    return Error{o.to + " is not an IPv4 address for documentation", {}};
}

// What the generator does not change.
Result<Frame> make_frame(const Options& o) {
    Frame f{};
    const ether_addr* const mac = ::ether_aton(o.mac.c_str());
    if (mac == nullptr)
        return Error{"\"" + o.mac + "\" is not a MAC address", {}, Exit::usage};
    std::memcpy(f.eth.ether_dhost, mac, ETH_ALEN);
    f.eth.ether_shost[0] = 2; // locally administered
    f.eth.ether_type = htons(ETHERTYPE_IP);
    f.ip.version = 4;
    f.ip.ihl = 5;
    f.ip.tot_len = htons(static_cast<std::uint16_t>(size_of(o) - sizeof f.eth));
    f.ip.ttl = 64;
    f.ip.protocol = o.syn ? IPPROTO_TCP : IPPROTO_UDP;
    const auto to = Address::parse(o.to).value().v4_bytes();
    std::memcpy(&f.ip.daddr, to.data(), to.size());
    if (o.syn) {
        f.tcp.th_dport = htons(o.port);
        f.tcp.th_off = sizeof f.tcp / 4;
        f.tcp.th_flags = TH_SYN;
        f.tcp.th_win = htons(65535);
        return f;
    }
    f.datagram.udp.dest = htons(o.port);
    f.datagram.udp.len = htons(sizeof f.datagram);
    return f;
}

Result<Generator> load(const Options& o) {
    Generator generator(generator_bpf::open(), &generator_bpf::destroy);
    if (!generator)
        return os_error("opening the generator");
    const unsigned interface = ::if_nametoindex(o.interface.c_str());
    if (interface == 0)
        return os_error("interface \"" + o.interface + "\"");
    const_cast<unsigned&>(reinterpret_cast<const volatile unsigned&>(generator->rodata->out_interface)) = interface;
    const_cast<unsigned&>(reinterpret_cast<const volatile unsigned&>(generator->rodata->base64)) = o.base64;
    if (const int failure = generator_bpf::load(generator.get()); failure != 0)
        return os_error_of(failure, "loading the generator");
    return generator;
}

struct Sent {
    std::uint64_t packets = 0;
    Clock::time_point until = Clock::now();
};

// All that the kernel can. One system call costs some 20 ms beside its packets, so it makes many.
Result<Sent> flood(const Options& o, Frame frame, int program) {
    constexpr unsigned kAtOnce = 100'000;
    xdp_md context{};
    context.data_end = static_cast<__u32>(size_of(o));
    Sent sent;
    while (stopped == 0) {
        LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = &frame, .data_size_in = context.data_end, .ctx_in = &context,
                    .ctx_size_in = sizeof context, .repeat = kAtOnce, .flags = BPF_F_TEST_XDP_LIVE_FRAMES);
        const int failure = ::bpf_prog_test_run_opts(program, &options);
        if (failure == -EINTR) // what the call has sent is not known: it does not count
            break;
        if (failure != 0)
            return os_error_of(failure, "sending");
        sent = {sent.packets + kAtOnce, Clock::now()};
    }
    return sent;
}

// At a rate, packet by packet: from a socket, with frames that the generator made in advance.
Result<Sent> trickle(const Options& o, Frame frame, int program) {
    constexpr unsigned kFrames = 4096;
    const Fd fd(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
    sockaddr_ll to{};
    to.sll_family = AF_PACKET;
    to.sll_protocol = htons(ETH_P_IP);
    to.sll_ifindex = static_cast<int>(::if_nametoindex(o.interface.c_str()));
    if (!fd || ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0)
        return os_error("making a packet socket");
    std::vector<Frame> frames(kFrames);
    std::mt19937 random(1);
    std::uniform_int_distribution<unsigned> any_port(1024, 65535);
    for (Frame& made : frames) {
        LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = &frame, .data_out = &made,
                    .data_size_in = static_cast<__u32>(size_of(o)), .data_size_out = sizeof made);
        if (const int failure = ::bpf_prog_test_run_opts(program, &options); failure != 0)
            return os_error_of(failure, "making junk");
        if (o.scan)
            made.tcp.th_dport = htons(static_cast<std::uint16_t>(any_port(random)));
    }
    Sent sent;
    const auto begin = Clock::now();
    while (stopped == 0) {
        const Frame& next = frames[sent.packets % kFrames];
        if (::send(fd.get(), &next, size_of(o), 0) < 0 && errno != ENOBUFS && errno != EINTR)
            return os_error("sending");
        ++sent.packets;
        const std::chrono::duration<double> due(static_cast<double>(sent.packets) / o.rate);
        std::this_thread::sleep_until(begin + due);
        sent.until = Clock::now();
    }
    return sent;
}

Result<void> run(const Options& o) {
    if (auto right = refuse_the_wrong_place(o); !right)
        return right;
    auto frame = make_frame(o);
    if (!frame)
        return frame.error();
    auto generator = load(o);
    if (!generator)
        return generator.error();
    const int program = bpf_program__fd(o.syn ? (*generator)->progs.syn_flood : (*generator)->progs.flood);
    const double seconds = std::min(o.seconds, kLongest);
    const itimerval end{{}, {static_cast<time_t>(seconds), static_cast<suseconds_t>(std::fmod(seconds, 1) * 1e6)}};
    ::setitimer(ITIMER_REAL, &end, nullptr);
    const auto begin = Clock::now();
    auto sent = o.rate == 0 ? flood(o, *frame, program) : trickle(o, *frame, program);
    if (!sent)
        return sent.error();
    std::cout << sent->packets << " " << std::chrono::duration<double>(sent->until - begin).count() << "\n";
    return {};
}

} // namespace

int main(int argc, char** argv) {
    CLI::App app("xk-bench-flood");
    Options o;
    app.add_option("--interface", o.interface, "out of which it goes")->required();
    app.add_option("--to", o.to)->required();
    app.add_option("--mac", o.mac, "of the next hop")->required();
    app.add_option("--port", o.port);
    app.add_option("--seconds", o.seconds)->check(CLI::Range(0.1, kLongest));
    auto* const rate = app.add_option("--rate", o.rate, "packets a second; 0 for all that it can");
    auto* const syn = app.add_flag("--syn", o.syn, "SYNs of 198.18.0.0/15 instead of UDP");
    app.add_flag("--scan", o.scan, "each to a port of its own, from 1024 on")->needs(syn)->needs(rate);
    app.add_flag("--base64", o.base64, "the payload is valid base64");
    CLI11_PARSE(app, argc, argv);
    for (const int signal : {SIGTERM, SIGALRM})
        std::signal(signal, [](int) { stopped = 1; });
    ::prctl(PR_SET_TIMERSLACK, 1);
    if (auto done = run(o); !done) {
        std::cerr << "xk-bench-flood: " << done.error().message << "\n";
        return static_cast<int>(done.error().exit);
    }
    return 0;
}
