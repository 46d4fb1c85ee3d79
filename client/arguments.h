// SPDX-License-Identifier: MIT
//
// What the command line of knock-client says, as it says it.
#pragma once

#include "client/enroll_arguments.h"
#include "protocol/profile/profile_file.h"

#include <cstdint>
#include <optional>
#include <string>

namespace xk::client {

struct Arguments {
    std::string host;
    std::uint16_t port = 0;
    std::string service;
    std::string profile, profiles;
    std::optional<std::string> otp;
    std::string source, for_address, lifetime, every;
    Family family = Family::any; // -4, -6
    bool all = false, single_use = false;
    bool no_wait = false;
    std::optional<bool> handshake; // none: as the profile says
    bool leave = false;            // keep leaves the grant open when it stops
    bool verbose = false;
    bool pass_socket = false;             // to ssh, which then needs no relay
    bool install = false, remove = false; // of ssh-config
    bool json = false;                    // of status and ls
    // Of sequence.
    bool print = false, tcp = false;
    std::size_t ports = 0; // how many; 0: as the profile says
    std::string code;      // of c-lock; "-": a line of standard input; empty: none
    unsigned pause = 0;    // milliseconds; 0: the usual one
    EnrollArguments enroll;
    ImportArguments importing;
    FwknopArguments fwknop; // of open
};

} // namespace xk::client
