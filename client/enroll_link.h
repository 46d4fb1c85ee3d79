// SPDX-License-Identifier: MIT
//
// One ssh connection that brings a profile from the server's spool (/var/spool/xknock/LOGIN/DEVICE.yaml). A short
// script runs there, in the user's own rights. It removes the server's copy only when it is told that the profile is
// safe here: a client that ends before that leaves it. Whatever the server answers is bounded, and none of it reaches
// the terminal unescaped.
#pragma once

#include "client/child.h"
#include "protocol/base/clock.h"
#include "protocol/base/result.h"
#include "protocol/secret.h"

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace xk::client {

inline constexpr std::size_t kMaxFetchedProfile = 64U * 1024; // bytes

struct SshTarget {
    std::string destination;          // as ssh takes it: "HOST" or "LOGIN@HOST"
    std::vector<std::string> options; // of the ssh command
};

// Where the server's clock is ahead of ours, a bound from either side: the question took time, and the server says
// whole seconds.
struct ClockDifference {
    std::chrono::microseconds least{0}, most{0};
    // A second more: ours was read a little later than the server's.
    bool may_be_equal() const { return least <= std::chrono::seconds(1) && most >= -std::chrono::seconds(1); }
};

struct FetchedProfile {
    Secret<char> text{0};
    ClockDifference server_ahead;
};

class EnrollLink {
  public:
    // Starts ssh. ssh asks for passwords and host keys on the terminal by itself; what it says on standard error is
    // printed, escaped.
    static Result<EnrollLink> start(const SshTarget& target);

    // The devices whose profiles wait there, by name. Call it first, and once.
    Result<std::vector<std::string>> list_devices();
    Result<FetchedProfile> fetch(const std::string& device);
    // Removes what was fetched last from the server. False where the server could not.
    Result<bool> remove_there(const std::string& device);

  private:
    EnrollLink(Child ssh, std::string destination, std::string mark)
        : ssh_(std::move(ssh)), destination_(std::move(destination)), mark_(std::move(mark)) {}
    Result<void> send(const std::string& line);
    Result<void> receive();
    Result<std::string> next_answer();
    Result<void> read_exactly(Secret<char>& to);
    std::string take_line(std::size_t size);
    void drop(std::size_t count);
    bool receive_errors();
    void print_errors(bool all);
    int finish(std::chrono::milliseconds patience);
    Error ended();
    Error confused(const std::string& what) const;

    Child ssh_;
    std::string destination_, mark_;
    // Profiles go through here. What other programs print at a login comes before the first answer.
    Secret<char> buffer_{kMaxFetchedProfile + 1024};
    std::size_t filled_ = 0, noise_ = 0;
    bool has_begun_ = false;
    std::string errors_;
    std::size_t errors_printed_ = 0;
};

} // namespace xk::client
