// SPDX-License-Identifier: MIT
//
// What the command lines of enroll and import, and fwknop's options, say beyond those of other verbs.
#pragma once

#include "protocol/base/result.h"

#include <optional>
#include <string>
#include <vector>

namespace xk::client {

struct EnrollArguments {
    std::string from;                     // "[LOGIN@]HOST"; "-": standard input; empty: `file` or `image`
    std::string file, image;              // a bundle or a profile; a picture of a QR code
    int passphrase_fd = -1;               // -1: asked for on the terminal
    std::string name;                     // of the profile; empty: the host, or what the profile says
    std::string device;                   // which one, where several wait on the server
    bool force = false;                   // may replace another profile
    bool yes = false;                     // the lines for ssh are wanted
    bool no_ssh_config = false;           // they are not
    bool test = false;                    // knock once
    std::vector<std::string> ssh_options; // words for ssh(1)
};

struct ImportArguments {
    std::string kind, file, stanza;
    bool dry_run = false;
};

// As they are said. `refused`: an option of fwknop's that has no equivalent.
struct FwknopArguments {
    std::string access, allow, destination, profile, timeout;
    std::optional<Error> refused;
};

} // namespace xk::client
