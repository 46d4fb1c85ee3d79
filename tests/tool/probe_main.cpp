// SPDX-License-Identifier: MIT
//
// xk-probe: tries ports as an attacker would. For the end-to-end tests only.
//   storm  begins a TCP connection every millisecond until standard input closes; prints how many it tried and how many
//          stood
//   syn    sends one SYN with IPv6 extension headers, or IPv4 options, before TCP, or in two fragments; prints
//   "syn-ack",
//          "rst" or "silence"
#include "protocol/base/address.h"
#include "protocol/base/fd.h"

#include <CLI/CLI.hpp>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <deque>
#include <iostream>
#include <random>
#include <vector>

using namespace xk;
using Clock = std::chrono::steady_clock;

namespace {

struct Options {
    std::string to, source, headers;
    std::uint16_t port = 22;
    unsigned interval_us = 1000;
    std::size_t split = 0; // not 0: so many bytes in the first fragment, the rest in a second
    bool last_first = false;
};

void close_hard(int fd) {
    const linger none{1, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
}

int storm(const Options& o) {
    struct Attempt {
        Fd fd;
        Clock::time_point begun;
    };
    std::deque<Attempt> attempts;
    const Address to = Address::parse(o.to).value();
    sockaddr_storage address;
    const auto size = to.to_sockaddr(address, o.port);
    unsigned long tried = 0, opened = 0;
    auto next = Clock::now();
    for (;;) {
        pollfd in{STDIN_FILENO, POLLIN, 0};
        char byte;
        if (::poll(&in, 1, 0) > 0 && ::read(STDIN_FILENO, &byte, 1) <= 0)
            break;
        std::vector<pollfd> fds;
        for (const Attempt& a : attempts)
            fds.push_back({a.fd.get(), POLLOUT, 0});
        ::poll(fds.data(), fds.size(), 0);
        for (std::size_t i = fds.size(); i-- > 0;) {
            int failure = 0;
            socklen_t length = sizeof failure;
            const bool ready = fds[i].revents != 0;
            if (ready)
                ::getsockopt(fds[i].fd, SOL_SOCKET, SO_ERROR, &failure, &length);
            opened += ready && failure == 0;
            // Half a second is more than any answer here takes.
            if (ready || Clock::now() - attempts[i].begun > std::chrono::milliseconds(500)) {
                close_hard(fds[i].fd);
                attempts.erase(attempts.begin() + static_cast<std::ptrdiff_t>(i));
            }
        }
        Fd fd(::socket(to.is_v4() ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0));
        if (fd && ::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 && errno != EINPROGRESS)
            fd.reset();
        if (fd)
            attempts.push_back({std::move(fd), Clock::now()});
        ++tried;
        next = std::max(next + std::chrono::microseconds(o.interval_us), Clock::now());
        const auto left = std::chrono::duration_cast<std::chrono::microseconds>(next - Clock::now());
        if (left.count() > 0)
            ::usleep(static_cast<useconds_t>(left.count()));
    }
    std::printf("%lu %lu\n", tried, opened);
    return 0;
}

void put16(std::vector<std::uint8_t>& to, unsigned value) {
    to.push_back(static_cast<std::uint8_t>(value >> 8));
    to.push_back(static_cast<std::uint8_t>(value));
}

std::uint16_t checksum(const std::vector<std::uint8_t>& bytes) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i + 1 < bytes.size(); i += 2)
        sum += static_cast<std::uint32_t>(bytes[i] << 8 | bytes[i + 1]);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<std::uint16_t>(~sum);
}

// A SYN with its checksum over the pseudo header of the family, and sixteen bytes of data for a second fragment.
std::vector<std::uint8_t> syn_of(const Address& from, const Address& to, std::uint16_t source_port,
                                 std::uint16_t port) {
    std::vector<std::uint8_t> tcp;
    put16(tcp, source_port);
    put16(tcp, port);
    tcp.insert(tcp.end(), {1, 2, 3, 4, 0, 0, 0, 0, 0x50, 0x02, 0xff, 0xff, 0, 0, 0, 0});
    tcp.resize(tcp.size() + 16, 'x');
    std::vector<std::uint8_t> sum;
    const std::ptrdiff_t begin = to.is_v4() ? 12 : 0;
    for (const Address& a : {from, to})
        sum.insert(sum.end(), a.bytes.begin() + begin, a.bytes.end());
    put16(sum, IPPROTO_TCP);
    put16(sum, static_cast<unsigned>(tcp.size()));
    sum.insert(sum.end(), tcp.begin(), tcp.end());
    const std::uint16_t value = checksum(sum);
    tcp[16] = static_cast<std::uint8_t>(value >> 8);
    tcp[17] = static_cast<std::uint8_t>(value);
    return tcp;
}

// A part of what is behind the IP header: where it begins, and whether more follows.
struct Part {
    std::vector<std::uint8_t> bytes;
    std::size_t offset = 0;
    bool more = false;
};

std::vector<Part> parts_of(const Options& o, const std::vector<std::uint8_t>& tcp) {
    if (o.split == 0)
        return {{tcp}};
    const auto middle = tcp.begin() + static_cast<std::ptrdiff_t>(o.split);
    std::vector<Part> parts = {{{tcp.begin(), middle}, 0, true}, {{middle, tcp.end()}, o.split, false}};
    if (o.last_first)
        std::swap(parts[0], parts[1]);
    return parts;
}

// The headers, comma-separated: hop, dst, route, frag. Each is eight bytes. A part has "frag" as the last of them.
std::vector<std::uint8_t> ipv6_packet(const Options& o, const Address& from, const Address& to, const Part& part) {
    std::vector<std::string> names;
    std::string rest = o.headers + (o.split == 0 ? "" : o.headers.empty() ? "frag" : ",frag");
    while (!rest.empty()) {
        const auto comma = rest.find(',');
        names.push_back(rest.substr(0, comma));
        rest = comma == std::string::npos ? "" : rest.substr(comma + 1);
    }
    const auto number = [](const std::string& name) -> std::uint8_t {
        return name == "hop" ? 0 : name == "dst" ? 60 : name == "route" ? 43 : 44;
    };
    std::vector<std::uint8_t> packet = {0x60, 0, 0, 0};
    put16(packet, static_cast<unsigned>(8 * names.size() + part.bytes.size()));
    packet.push_back(names.empty() ? std::uint8_t{IPPROTO_TCP} : number(names[0]));
    packet.push_back(64);
    for (const Address& a : {from, to})
        packet.insert(packet.end(), a.bytes.begin(), a.bytes.end());
    for (std::size_t i = 0; i < names.size(); ++i) {
        packet.push_back(i + 1 < names.size() ? number(names[i + 1]) : std::uint8_t{IPPROTO_TCP});
        if (names[i] == "frag") { // alone it is atomic: offset 0, no more (RFC 6946)
            packet.push_back(0);
            put16(packet, static_cast<unsigned>(part.offset | (part.more ? 1 : 0)));
            packet.insert(packet.end(), {1, 2, 3, 4});
        } else if (names[i] == "route") { // type 0 with no segments left: skipped by every receiver (RFC 8200 4.4)
            packet.insert(packet.end(), {0, 0, 0, 0, 0, 0, 0});
        } else { // PadN of four bytes
            packet.insert(packet.end(), {0, 1, 4, 0, 0, 0, 0});
        }
    }
    packet.insert(packet.end(), part.bytes.begin(), part.bytes.end());
    return packet;
}

std::vector<std::uint8_t> ipv4_packet(const Address& from, const Address& to, const Part& part) {
    std::vector<std::uint8_t> packet = {0x46, 0}; // one word of options
    put16(packet, static_cast<unsigned>(24 + part.bytes.size()));
    put16(packet, 0x1234);
    put16(packet, static_cast<unsigned>(part.offset / 8 | (part.more ? 0x2000 : 0)));
    packet.insert(packet.end(), {64, IPPROTO_TCP, 0, 0});
    for (const Address& a : {from, to})
        packet.insert(packet.end(), a.bytes.begin() + 12, a.bytes.end());
    packet.insert(packet.end(), {1, 1, 1, 1}); // NOP
    packet.insert(packet.end(), part.bytes.begin(), part.bytes.end());
    return packet; // the kernel fills in the checksum
}

int syn(const Options& o) {
    const Address to = Address::parse(o.to).value(), from = Address::parse(o.source).value();
    const int family = to.is_v4() ? AF_INET : AF_INET6;
    const Fd out(::socket(family, SOCK_RAW, IPPROTO_RAW));
    const Fd in(::socket(family, SOCK_RAW, IPPROTO_TCP));
    if (!out || !in)
        return 1;
    const int on = 1;
    if (!to.is_v4())
        ::setsockopt(out.get(), IPPROTO_IPV6, IPV6_HDRINCL, &on, sizeof on);
    const auto port = static_cast<std::uint16_t>(40000 + std::random_device{}() % 20000);
    const auto tcp = syn_of(from, to, port, o.port);
    sockaddr_storage address;
    const auto size = to.to_sockaddr(address, 0);
    for (const Part& part : parts_of(o, tcp)) {
        const auto packet = to.is_v4() ? ipv4_packet(from, to, part) : ipv6_packet(o, from, to, part);
        if (::sendto(out.get(), packet.data(), packet.size(), 0, reinterpret_cast<sockaddr*>(&address), size) < 0) {
            std::perror("xk-probe: sendto");
            return 1;
        }
    }
    const auto deadline = Clock::now() + std::chrono::milliseconds(400);
    for (;;) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
        pollfd ready{in.get(), POLLIN, 0};
        if (left.count() <= 0 || ::poll(&ready, 1, static_cast<int>(left.count())) <= 0)
            break;
        std::uint8_t buffer[2048];
        const ssize_t n = ::recv(in.get(), buffer, sizeof buffer, 0);
        const std::size_t offset = to.is_v4() ? 4u * (buffer[0] & 15u) : 0; // IPv4 raw sockets see the IP header
        if (n < static_cast<ssize_t>(offset + 20))
            continue;
        const std::uint8_t* t = buffer + offset;
        if ((t[0] << 8 | t[1]) != o.port || (t[2] << 8 | t[3]) != port)
            continue;
        std::puts((t[13] & 0x12) == 0x12 ? "syn-ack" : "rst");
        return 0;
    }
    std::puts("silence");
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    CLI::App app("xk-probe");
    app.require_subcommand(1);
    Options o;
    int (*run)(const Options&) = nullptr;
    CLI::App* const storm_app = app.add_subcommand("storm");
    storm_app->add_option("--interval-us", o.interval_us);
    storm_app->callback([&] { run = storm; });
    CLI::App* const syn_app = app.add_subcommand("syn");
    syn_app->add_option("--from", o.source)->required();
    syn_app->add_option("--headers", o.headers, "hop,dst,route,frag (IPv6)");
    syn_app->add_option("--split", o.split, "bytes in the first of two fragments: 8, 16, 24 or 32");
    syn_app->add_flag("--last-first", o.last_first, "the second fragment before the first");
    syn_app->callback([&] { run = syn; });
    for (CLI::App* sub : {storm_app, syn_app}) {
        sub->add_option("--to", o.to)->required();
        sub->add_option("--port", o.port);
    }
    CLI11_PARSE(app, argc, argv);
    return run(o);
}
