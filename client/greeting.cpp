// SPDX-License-Identifier: MIT
#include "client/greeting.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>

namespace xk::client {
namespace {

using std::chrono::milliseconds;

// A copy against loss. Where both arrive, the filter drops it.
constexpr milliseconds kHelloCopyAfter{250};
// The first hellos have so long for their answer until the next one leaves, strides so long.
constexpr milliseconds kBetweenHellos{500}, kBetweenStrides{100};
// An answer that takes up to 1.6 s is for one of these where strides are under way.
constexpr std::size_t kMostHellos = 16;
// The server forgets a handshake after 15 s. The answer may have waited while another address had its turn.
constexpr std::chrono::seconds kAnswerIsGood{8};

// ECONNREFUSED speaks of an earlier packet: the server's knock port answers as closed.
Result<void> send_hello(int socket, const wire::Packet& packet) {
    for (int i = 0; i < 3; ++i)
        if (::send(socket, packet.data(), packet.size(), 0) >= 0)
            return {};
        else if (errno != ECONNREFUSED && errno != EINTR)
            break;
    return os_error("sending a hello");
}

} // namespace

bool wait_for_packet(int fd, std::chrono::steady_clock::time_point until) {
    pollfd one{fd, POLLIN, 0};
    const auto left = std::chrono::ceil<milliseconds>(until - std::chrono::steady_clock::now());
    ::poll(&one, 1, static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 1000)));
    return false;
}

Greeting::Greeting(const Profile& profile) : profile_(&profile), numbers_(profile) {
    handshake::derive_keys(*keys_, profile.keys->handshake);
}

void Greeting::begin_anew() {
    answer_.reset();
    hellos_.clear();
    plan_ = {};
    next_hello_ = {};
    next_copy_ = Clock::time_point::max();
}

bool Greeting::is_answered() const { return answer_ && BootClock::now() - answered_ < kAnswerIsGood; }

WallTime Greeting::server_clock() const {
    return answer_->clock + std::chrono::floor<std::chrono::microseconds>(BootClock::now() - answered_);
}

Result<bool> Greeting::run(int socket, Clock::time_point deadline, const Wait& wait,
                           const std::function<void(handshake::Number)>& sent) {
    if (is_answered())
        return true;
    if (answer_) // too old
        begin_anew();
    for (;;) {
        // What came while nobody waited counts before another hello leaves.
        if (receive(socket))
            return true;
        if (Clock::now() >= deadline)
            return false;
        auto next = send_due(socket, sent);
        if (!next)
            return next.error();
        if (wait(socket, std::min(*next, deadline)))
            return false; // and nothing of this object may be used: it may have begun anew
    }
}

Result<Greeting::Clock::time_point> Greeting::send_due(int socket, const std::function<void(handshake::Number)>& sent) {
    const auto now = Clock::now();
    if (now >= next_hello_) {
        const handshake::Number number = numbers_.next(plan_);
        Key ephemeral;
        const Wiped wiped(ephemeral);
        randombytes_buf(ephemeral.data(), ephemeral.size());
        Hello hello{number, Secret<noise::Handshake>(), {}};
        hello.packet =
            handshake::write_hello(*hello.state, *keys_, profile_->server_id, number, ephemeral, Now::read().wall);
        if (auto done = send_hello(socket, hello.packet); !done)
            return done.error();
        if (hellos_.size() == kMostHellos)
            hellos_.pop_front();
        hellos_.push_back(std::move(hello));
        const bool is_first = plan_.count() <= HelloPlan::kFirst;
        next_hello_ = now + (is_first ? kBetweenHellos : kBetweenStrides);
        next_copy_ = is_first ? now + kHelloCopyAfter : Clock::time_point::max();
        sent(number);
    } else if (now >= next_copy_) {
        next_copy_ = Clock::time_point::max();
        if (auto done = send_hello(socket, hellos_.back().packet); !done)
            return done.error();
    }
    return std::min(next_hello_, next_copy_);
}

// One packet, so that somebody who sends many does not keep hellos from leaving.
bool Greeting::receive(int socket) {
    std::array<std::uint8_t, wire::kPacketSize + 1> buffer;
    const ssize_t size = ::recv(socket, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size != static_cast<ssize_t>(wire::kPacketSize))
        return false;
    wire::Packet packet;
    std::copy_n(buffer.begin(), packet.size(), packet.begin());
    return take_answer(packet);
}

// The hellos that left while the answer was on its way have most likely arrived, and the server takes each that is in
// its window.
handshake::Number Greeting::last_taken(handshake::Number answered) const {
    handshake::Number last = answered;
    for (const Hello& hello : hellos_)
        if (hello.number > last && hello.number - last <= kHelloWindow)
            last = hello.number;
    return last;
}

bool Greeting::take_answer(const wire::Packet& packet) {
    for (const Hello& hello : hellos_) {
        // A copy of the state: the answer to an earlier hello of this number, which anybody may have heard, would end
        // the handshake.
        *reading_ = *hello.state;
        const auto answer = handshake::read_answer(*reading_, *keys_, hello.number, packet);
        if (!answer)
            continue;
        const Now now = Now::read();
        answer_ = answer;
        answered_ = now.boot;
        ahead_ = answer->clock - now.wall;
        Secret<noise::TransportKeys> transport;
        reading_->split(*transport);
        handshake::derive_request_keys(*request_, *transport);
        transcript_ = reading_->transcript();
        numbers_.answered(last_taken(hello.number));
        hellos_.clear();
        return true;
    }
    return false;
}

} // namespace xk::client
