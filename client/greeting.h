// SPDX-License-Identifier: MIT
//
// Greeting: the client's part of handshakes with one address of the server (docs/protocol.md, "The handshake"). It
// sends hellos until one is answered. The answer serves for one request.
#pragma once

#include "client/hello_numbers.h"
#include "client/profile.h"
#include "protocol/base/clock.h"
#include "protocol/base/result.h"
#include "protocol/handshake.h"
#include "protocol/secret.h"

#include <chrono>
#include <deque>
#include <functional>
#include <optional>

namespace xk::client {

// Waits until `fd` is readable or the time has come. True: stop.
using Wait = std::function<bool(int fd, std::chrono::steady_clock::time_point until)>;
bool wait_for_packet(int fd, std::chrono::steady_clock::time_point until);

class Greeting {
  public:
    using Clock = std::chrono::steady_clock;

    explicit Greeting(const Profile& profile);

    // Sends hellos through the connected UDP socket until one is answered. Every packet that is not the answer to a
    // hello of ours is ignored, because anybody can send one. False where the time has come, or where `wait` said stop;
    // the next call goes on. An error where no packet can leave. `sent` is called behind each new hello.
    Result<bool> run(int socket, Clock::time_point deadline, const Wait& wait,
                     const std::function<void(handshake::Number)>& sent);

    // Whether there is an answer that the server still remembers.
    bool is_answered() const;
    // The rest is there where is_answered().
    const handshake::Answer& answer() const { return *answer_; }
    // By how much the server's clock was ahead of ours when the answer came.
    std::chrono::microseconds server_ahead() const { return ahead_; }
    // The server's clock now. Ours may be set meanwhile.
    WallTime server_clock() const;
    const CredentialKeys& request_keys() const { return *request_; }
    const noise::Hash& transcript() const { return transcript_; }

    // Behind the request, or from another socket: the next run begins with a new hello.
    void begin_anew();

  private:
    struct Hello {
        handshake::Number number;
        Secret<noise::Handshake> state;
        wire::Packet packet;
    };
    // What is due, once; the time of the next one.
    Result<Clock::time_point> send_due(int socket, const std::function<void(handshake::Number)>& sent);
    bool receive(int socket);
    bool take_answer(const wire::Packet& packet);
    handshake::Number last_taken(handshake::Number answered) const;

    const Profile* profile_;
    Secret<handshake::Keys> keys_;
    HelloNumbers numbers_;
    HelloPlan plan_;
    std::deque<Hello> hellos_; // the last ones, which a late answer may be for
    Secret<noise::Handshake> reading_;
    Clock::time_point next_hello_{}, next_copy_ = Clock::time_point::max();

    std::optional<handshake::Answer> answer_;
    BootTime answered_;
    std::chrono::microseconds ahead_{0};
    Secret<CredentialKeys> request_;
    noise::Hash transcript_{};
};

} // namespace xk::client
