// SPDX-License-Identifier: MIT
//
// A network namespace of a test's own, while it lives.
#pragma once

#include "protocol/base/fd.h"

#include <doctest/doctest.h>

#include <fcntl.h>
#include <sched.h>

#include <cstdlib>
#include <string>

namespace xk::test {

inline void sh(const std::string& command) { REQUIRE_MESSAGE(std::system(command.c_str()) == 0, command); }

class OwnNetwork {
  public:
    // A line for the shell makes what is in it.
    explicit OwnNetwork(const std::string& command) : home_(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)) {
        REQUIRE(::unshare(CLONE_NEWNET) == 0);
        sh(command);
    }
    ~OwnNetwork() { (void)::setns(home_.get(), CLONE_NEWNET); }
    OwnNetwork(const OwnNetwork&) = delete;
    OwnNetwork& operator=(const OwnNetwork&) = delete;

  private:
    Fd home_;
};

} // namespace xk::test
