// SPDX-License-Identifier: MIT
//
// How every verb asks the daemon, and how it prints what comes back.
#pragma once

#include "protocol/base/result.h"

#include <nlohmann/json.hpp>

#include <functional>
#include <string>

namespace xk::tools {

// Says the error; the exit code.
int fail(const Error& error);

// "3 grants"
std::string counted(unsigned number, const std::string& what);

// Words of the command line and names of files need not be UTF-8; JSON has to be. It is printed too, so whatever is not
// ASCII (some of it moves a terminal's cursor) is \uNNNN.
std::string text_of(const nlohmann::json& value, int indent = -1);

class Control {
  public:
    std::string socket = "/run/xknock/control.sock";
    bool as_json = false;

    bool somebody_answers() const;

    // The reply; what it says of an error is one.
    Result<nlohmann::json> ask(const nlohmann::json& request) const;

    // Where the daemon is of another release than we are, what to do about it; else nothing.
    std::string hint_of_releases() const;

    // Asks and prints: the reply itself, or what `show` makes of it.
    int ask(const nlohmann::json& request, const std::function<std::string(const nlohmann::json&)>& show) const;
};

} // namespace xk::tools
