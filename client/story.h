// SPDX-License-Identifier: MIT
//
// Story: what the client tells about one connection. With -v each packet and each answer is a line as it happens; when
// the port does not open, the error says what is known and which causes are left.
#pragma once

#include "client/attempts.h"
#include "client/clock_check.h"
#include "client/knock.h"
#include "protocol/base/result.h"

#include <string>
#include <vector>

namespace xk::client {

// What happened at one address.
struct Happened {
    std::string address;
    unsigned hellos = 0; // by handshake, those that were sent anew
    unsigned knocks = 0;
    unsigned resets = 0;
    bool opened = false; // an attempt before or beside the knock was silent and a later one was reset: it opened for us
    int unreachable = 0; // the errno of the last answer that the network gave; 0: none
    std::string not_knocked;  // why no packet was sent, or no further one
    bool source_mode = false; // the packet's source stood for us
};

struct Known {
    std::string host;
    std::uint16_t port = 0;
    std::vector<Happened> addresses;
    bool person = false, has_codes = false, hotp = false;
    bool is_sequence = false;  // the knocks were sequences of ports
    bool by_handshake = false; // the server answers hellos, and does not look at our clock
    ClockFacts clock{};
};

// "192.0.2.1: 3 knocks, then silence".
std::string line_of(const Happened& one);

// Pure: the error for a port that did not open, from what is known.
Error not_open(const Known& known);

class Story {
  public:
    explicit Story(bool is_verbose) : is_verbose_(is_verbose), begin_(Attempts::Clock::now()) {}

    bool is_verbose() const { return is_verbose_; }
    // A line on standard error, with the time since the start. `text` holds nothing that a terminal obeys.
    void say(const std::string& text) const;
    void knocked(const Knock& knock, bool copy) const;
    // What the server's answer said.
    void greeted(const Greeting& greeting) const;

  private:
    bool is_verbose_;
    Attempts::Clock::time_point begin_;
};

// "connection refused" and the like, for an errno that a connection failed with.
std::string answer_text(int error);

} // namespace xk::client
