// SPDX-License-Identifier: MIT
//
// Engine: one run of knocks and attempts over the addresses of a host, until a connection stands.
#pragma once

#include "client/attempts.h"
#include "client/connect.h"
#include "client/route_watch.h"
#include "client/schedule.h"
#include "client/ways.h"

namespace xk::client {

class Engine {
  public:
    using Clock = Attempts::Clock;

    Engine(std::vector<Way> ways, std::uint16_t port, const RequestSpec& spec, const Story& story)
        : ways_(std::move(ways)), port_(port), source_(spec.source), story_(story) {}

    std::vector<Way>& ways() { return ways_; }
    bool can_knock() const;
    // At each address the knock opened the port and nobody listens there, or the network says that there is no way.
    bool no_code_helps() const;

    // Tries the port without a knock; again where the last time is a second ago.
    void probe();
    // Waits at most so long, less where every attempt has failed.
    bool stands_within(std::chrono::milliseconds time);
    // Gives up what was begun: a SYN of a probe that the kernel repeats would be a second connection.
    void forget_attempts();

    // By handshake: waits until one address has answered, which is the first one then. An error where none does.
    Result<void> greet(Clock::time_point deadline);
    // Knocks with this code at all addresses by turns until a connection stands or the time has come; less where every
    // address has said its last word and the network of this machine does not change. `sent` is called behind the first
    // packet. An error when no packet could be sent.
    Result<bool> knock(const std::string& code, Clock::time_point deadline, const std::function<void()>& sent);

    // The connection that stands.
    Connected take();

  private:
    Result<void> turn(std::size_t i, std::size_t pass, const std::string& code, Clock::time_point end);
    Result<void> take_step(Way& way, std::size_t i, const Step& step, const std::string& code);
    int routes_fd() const { return routes_ ? routes_->fd() : -1; }
    Result<bool> greet(std::size_t i, Clock::time_point begin, Clock::time_point end);
    bool wait_until(Clock::time_point time, std::size_t i, Clock::time_point begin);
    void note_failures(Clock::time_point begin);
    void note_answer(Way& way, const Attempts::Failure& failure, Clock::time_point begin);
    bool gives_way(std::size_t i) const;
    bool is_over() const;
    bool follow_network();
    bool comes_back(Clock::time_point deadline);

    std::vector<Way> ways_;
    std::uint16_t port_;
    std::optional<Address> source_;
    const Story& story_;
    Attempts attempts_;
    std::optional<Fd> standing_;
    std::optional<Clock::time_point> probed_, knocked_;
    Clock::time_point began_; // with this code, or anew because the network had changed
    std::optional<RouteWatch> routes_;
    bool has_changed_ = false; // the network, since the last turn began
};

} // namespace xk::client
