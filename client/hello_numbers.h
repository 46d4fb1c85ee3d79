// SPDX-License-Identifier: MIT
//
// Which number the next hello has (docs/protocol.md, "Client behaviour"). The server takes the 64 numbers behind the
// last one that it took, each once. The client remembers which of its hellos was answered last. Where it does not know
// what the server has taken since (an answer was lost, the profile is used on two machines, the state is gone), it
// looks for the server's window in strides as long as the window: exactly one of them falls into it.
#pragma once

#include "client/profile.h"
#include "protocol/handshake.h"

#include <cstdint>
#include <optional>
#include <string>

namespace xk::client {

// What is remembered of one credential's hellos.
struct HelloState {
    handshake::Number answered = 0; // of the last hello that was answered; 0: none
    std::uint32_t tried = 0;        // numbers behind it that were used since, below kHelloWindow
    std::uint32_t strides = 0;      // the farthest stride since

    bool operator==(const HelloState&) const = default;
};

inline constexpr std::uint32_t kHelloWindow = 64;
// So far ahead the server is looked for: a million hellos.
inline constexpr std::uint32_t kMostStrides = 1U << 14;

// The numbers of the hellos of one run. Pure: the state is an argument.
class HelloPlan {
  public:
    // The first ones are the next numbers, because most often only a packet was lost.
    static constexpr unsigned kFirst = 3;

    handshake::Number next(HelloState& state);
    // How many there were.
    unsigned count() const { return count_; }

  private:
    unsigned count_ = 0;
    std::uint32_t strides_ = 0;
};

void note_answer(HelloState& state, handshake::Number number);

// Text of the state's file: one line. Nothing from another text.
std::string text_of(const HelloState& state);
std::optional<HelloState> parse_hello_state(const std::string& text);

// The state in $XDG_STATE_HOME/xknock/hello-CREDENTIAL. Several clients may use it at once. Without a state directory
// it is in memory, and the server is found by strides.
class HelloNumbers {
  public:
    explicit HelloNumbers(const Profile& profile);

    // The number is in the file before anybody can send it.
    handshake::Number next(HelloPlan& plan);
    void answered(handshake::Number number);

  private:
    template <typename Change>
    void change(Change change);

    std::string file_; // its name in the state directory
    HelloState in_memory_;
};

} // namespace xk::client
