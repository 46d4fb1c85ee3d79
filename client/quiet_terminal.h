// SPDX-License-Identifier: MIT
//
// While it lives the terminal shows nothing that is typed. Afterwards it is as it was, whatever ends this process: a
// child keeps the settings and puts them back when the process is gone.
#pragma once

#include "protocol/base/fd.h"

#include <sys/types.h>
#include <termios.h>

namespace xk::client {

class QuietTerminal {
  public:
    explicit QuietTerminal(int tty);
    ~QuietTerminal();
    QuietTerminal(const QuietTerminal&) = delete;
    QuietTerminal& operator=(const QuietTerminal&) = delete;

  private:
    void start_guardian();

    int tty_;
    termios before_{}, quiet_{};
    bool has_settings_ = false;
    Fd to_guardian_;
    pid_t guardian_ = -1;
};

} // namespace xk::client
