// SPDX-License-Identifier: MIT
//
// Where the codes for one connection come from: nobody (other factors), a program, a stored secret, or a person.
#pragma once

#include "protocol/base/result.h"

#include <chrono>
#include <functional>
#include <optional>
#include <string>

namespace xk::client {

class CodeSource {
  public:
    virtual ~CodeSource() = default;
    // The next code; empty text for factors without one. Nothing when `opened` came true while a person was asked, or
    // when the answer that he gave another process of this user opened the port for us too; each such answer counts
    // once, so where no connection comes about the next call asks. `opened` waits at most so long and says whether a
    // connection stands; it is called about every 50 ms, or waited in.
    virtual Result<std::optional<std::string>> next(const std::function<bool(std::chrono::milliseconds)>& opened) = 0;
    // The request with this code was sent (for the memory of used steps).
    virtual void used(const std::string& code) = 0;
    // The server has said, in a handshake, that its clock is so far ahead of ours: codes that are made here are for its
    // clock from now on.
    virtual void server_is_ahead(std::chrono::microseconds) {}
    // A person types: a code that does not open within 1.5 s is asked for again, up to three times in all.
    virtual bool is_person() const = 0;
    virtual bool may_ask_again() const = 0;
};

} // namespace xk::client
