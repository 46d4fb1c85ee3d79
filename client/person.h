// SPDX-License-Identifier: MIT
//
// Questions to the person at the terminal (/dev/tty), whatever standard input is. A signal ends the program as usual,
// and the terminal shows again what is typed.
#pragma once

#include "protocol/base/fd.h"
#include "protocol/base/result.h"
#include "protocol/secret.h"

#include <cstddef>
#include <string>

namespace xk::client {

class Person {
  public:
    // Without a terminal there is nobody: is_there() is false, and every question has an error.
    Person();
    bool is_there() const { return bool{tty_}; }

    // A line without its end, not shown while it is typed. At most `limit` bytes.
    Result<Secret<char>> ask_secret(const std::string& question, std::size_t limit) const;
    Result<std::string> ask_line(const std::string& question) const;
    // An empty answer means yes.
    Result<bool> ask_yes(const std::string& question) const;

  private:
    Fd tty_;
};

} // namespace xk::client
