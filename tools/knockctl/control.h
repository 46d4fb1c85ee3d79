// SPDX-License-Identifier: MIT
//
// Sends a verb to the daemon and prints the reply.
#pragma once

#include "protocol/base/result.h"

#include <nlohmann/json.hpp>

#include <functional>
#include <string>

namespace xk::tools {

// Prints the error on standard error; returns the exit code.
int fail(const Error& error);

// "3 grants"
std::string counted(unsigned number, const std::string& what);

// JSON must be UTF-8, and words of the command line and file names need not be. The text is printed too, and some
// characters move a terminal's cursor. So everything that is not ASCII becomes \uNNNN.
std::string text_of(const nlohmann::json& value, int indent = -1);

class Control {
  public:
    std::string socket = "/run/xknock/control.sock";
    bool as_json = false;

    bool somebody_answers() const;

    // Returns the reply. A reply that reports an error is returned as that error.
    Result<nlohmann::json> ask(const nlohmann::json& request) const;

    // Says what to do where the daemon is of another release than this program; else empty.
    std::string hint_of_releases() const;

    // Sends the request and prints the reply: as JSON with --json, else as `show` renders it.
    int ask(const nlohmann::json& request, const std::function<std::string(const nlohmann::json&)>& show) const;
};

} // namespace xk::tools
