// SPDX-License-Identifier: MIT
#include "client/sequence_plan.h"

#include "protocol/sequence.h"
#include "protocol/slot.h"

#include <cstdio>

namespace xk::client {
namespace {

// The server's clock may be a little behind, and there the last slot is not over yet.
constexpr std::chrono::milliseconds kIntoSlot{200};

// One port of one address. bash comes first, because it sends and ends at once, so the order is sure. nc waits a second
// for an answer, so it goes into the background. A wait of 0 would end OpenBSD's nc at once, but the traditional one
// refuses it.
std::string udp_command(const std::string& host) {
    return R"(bash -c "echo >/dev/udp/)" + host + R"(/$p" 2>/dev/null || (echo | nc -u -w 1 )" + host + " $p &)";
}

// bash comes first here too, because timeout ends it before the kernel repeats the SYN after a second. Only nc's whole
// seconds are that long. Both fail when they do their work, so what is there is asked for before.
std::string tcp_command(const std::string& host) {
    return R"(if command -v bash && command -v timeout; then (timeout 0.9 bash -c ": >/dev/tcp/)" + host +
           R"(/$p" &); else (nc -z -w 1 )" + host + " $p &); fi >/dev/null";
}

std::string seconds_text(std::chrono::milliseconds time) {
    char text[32];
    std::snprintf(text, sizeof text, "%.3f", static_cast<double>(time.count()) / 1000);
    return text;
}

} // namespace

std::chrono::milliseconds sequence_length(std::size_t ports, std::chrono::milliseconds pause) {
    return pause * static_cast<std::int64_t>(ports - 1);
}

WallTime sequence_start(WallTime now, std::chrono::milliseconds time) {
    const WallTime end = slot_end(slot_of(now));
    return now + time <= end ? now : end + kIntoSlot;
}

Result<std::vector<std::uint16_t>> code_ports(std::string_view code, std::size_t count) {
    constexpr std::string_view kBlanks = " \t\r\n";
    const auto first = code.find_first_not_of(kBlanks);
    if (first != code.npos)
        code = code.substr(first, code.find_last_not_of(kBlanks) - first + 1);
    auto ports = sequence::clock_ports(code, count);
    if (ports.empty())
        return Error{"a code of c-lock is six digits", {}, Exit::usage};
    return ports;
}

Result<void> check_factor(const Profile& profile) {
    if (profile.factor == FactorKind::none)
        return {};
    return Error{"a sequence of ports carries no code: it needs a device without a second factor",
                 "on the server: knockctl keygen USER --device NAME --factor none --host HOST", Exit::configuration};
}

std::string ports_text(const std::vector<std::uint16_t>& ports) {
    std::string text;
    for (const std::uint16_t port : ports)
        text += (text.empty() ? "" : " ") + std::to_string(port);
    return text;
}

std::string shell_line(const Place& server, const std::vector<std::uint16_t>& ports, std::chrono::milliseconds pause,
                       SequenceBy by) {
    const std::string command = by == SequenceBy::udp ? udp_command(server.text()) : tcp_command(server.text());
    // POSIX has no parts of seconds in sleep, and some routers' BusyBox has none either.
    return "for p in " + ports_text(ports) + "; do " + command + "; sleep " + seconds_text(pause) +
           " 2>/dev/null || sleep 1; done";
}

} // namespace xk::client
