// SPDX-License-Identifier: MIT
#include "client/sequence_sender.h"

#include "client/attempts.h"
#include "protocol/base/quote.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <thread>

namespace xk::client {
namespace {

using Clock = Attempts::Clock;
using std::chrono::milliseconds;

// The server opens the port a moment after the last packet, and an attempt that came before is lost until the kernel
// repeats its SYN after a second.
constexpr milliseconds kTryAt[] = {milliseconds(0),   milliseconds(3),   milliseconds(10),   milliseconds(30),
                                   milliseconds(100), milliseconds(300), milliseconds(1000), milliseconds(2000)};

// Not connected, because it sends to many ports, and so that an answer of one that is closed does not end the sequence.
Result<Fd> socket_from(const Address& local) {
    Fd socket(::socket(local.is_v4() ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket)
        return os_error("making a UDP socket");
    sockaddr_storage address;
    const socklen_t size = local.to_sockaddr(address, 0);
    if (local.is_grantable() && ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0)
        return os_error("using " + local.text() + " as our address");
    return socket;
}

Result<void> send_datagram(const Fd& socket, const Place& server, std::uint16_t port) {
    sockaddr_storage address;
    const socklen_t size = server.to_sockaddr(address, port);
    while (::sendto(socket.get(), nullptr, 0, 0, reinterpret_cast<const sockaddr*>(&address), size) < 0)
        if (errno != EINTR)
            return os_error("knocking at " + server.text());
    return {};
}

void add_failures(std::vector<Way>& ways, const std::vector<Attempts::Failure>& failures, const Story& story) {
    for (const Attempts::Failure& failure : failures) {
        Way& way = ways[failure.tag];
        story.say(way.target.text() + ": " + answer_text(failure.error));
        if (failure.error == ECONNREFUSED)
            ++way.happened.resets;
        else if (failure.error != ETIMEDOUT)
            way.happened.unreachable = failure.error;
    }
}

} // namespace

// The SYN has left, or waits for the neighbour's address, when connect() comes back. The kernel says nothing to the
// server when a connection is closed that does not stand yet.
Result<void> send_syn(const Place& server, std::uint16_t port, const std::optional<Address>& local) {
    Attempts one;
    one.begin(server, port, local);
    for (const Attempts::Failure& failure : one.take_failures())
        if (failure.error != ECONNREFUSED) // the answer of a server on this very machine
            return os_error_of(failure.error, "knocking at " + server.text());
    return {};
}

Result<void> send_sequence(std::vector<Way>& ways, const std::vector<std::uint16_t>& ports, milliseconds pause,
                           SequenceBy by, const Story& story) {
    std::optional<Error> trouble;
    std::vector<Fd> sockets(ways.size());
    for (std::size_t p = 0; p < ports.size(); ++p) {
        // Behind each port anew: with times that were fixed before, a port that is late would have the next one at its
        // heels.
        if (p > 0)
            std::this_thread::sleep_for(pause);
        for (std::size_t i = 0; i < ways.size(); ++i) {
            Way& way = ways[i];
            if (!way.knock)
                continue;
            Result<void> done;
            if (by == SequenceBy::tcp)
                done = send_syn(way.knock->server(), ports[p], way.knock->local());
            else if (auto socket = p == 0 ? socket_from(way.knock->local()) : Result(std::move(sockets[i])))
                done = send_datagram(sockets[i] = *std::move(socket), way.knock->server(), ports[p]);
            else
                done = socket.error();
            if (done)
                continue;
            story.say(as_line(done.error().message));
            trouble = done.error();
            way.knock.reset();
        }
        if (std::none_of(ways.begin(), ways.end(), [](const Way& way) { return way.knock.has_value(); }))
            return *trouble;
    }
    std::erase_if(ways, [](const Way& way) { return !way.knock; });
    for (Way& way : ways) {
        ++way.happened.knocks;
        story.say(std::to_string(ports.size()) + " ports of " + way.knock->server().text() + " knocked at from " +
                  way.knock->local().text());
    }
    return {};
}

std::optional<Connected> await_port(std::vector<Way>& ways, std::uint16_t port, milliseconds time, const Story& story) {
    const Clock::time_point begin = Clock::now();
    Attempts attempts;
    std::optional<Fd> standing;
    for (std::size_t next = 0; !standing && Clock::now() < begin + time;) {
        if (next < std::size(kTryAt) && Clock::now() >= begin + kTryAt[next]) {
            ++next;
            for (std::size_t i = 0; i < ways.size(); ++i)
                attempts.begin(ways[i].target, port, ways[i].knock->local(), i);
        }
        const auto until = begin + (next < std::size(kTryAt) ? std::min(kTryAt[next], time) : time);
        standing = attempts.wait_for_answer(until - Clock::now());
        add_failures(ways, attempts.take_failures(), story);
    }
    if (!standing)
        return std::nullopt;
    const auto since = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - begin);
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    ::getpeername(standing->get(), reinterpret_cast<sockaddr*>(&peer), &size);
    return Connected{*std::move(standing), Place::of(reinterpret_cast<const sockaddr&>(peer)), true, since};
}

} // namespace xk::client
