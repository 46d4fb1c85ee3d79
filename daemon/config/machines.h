// SPDX-License-Identifier: MIT
//
// The machines that may carry this server's identity are in DIR/machines, one mark per line, beside server_id. No
// machine remembers what another one has accepted, so a copy of this host or of its configuration would accept a used
// knock. The file is copied with the identity, but the machine's id (machine-id(5)) is not, so a copy is noticed.
#pragma once

#include "protocol/base/result.h"
#include "protocol/wire.h"

#include <string>

namespace xk::config {

enum class Carrier {
    named,   // the file names this machine
    another, // the file names others only
    unnamed, // there is no file
    none,    // this machine has no id
};

// Reads what the file says about this machine.
Result<Carrier> find_carrier(const std::string& directory, const wire::ServerId& identity);

// Writes this machine into the file, beside the others or `alone`. Without an id nothing is written, and the result is
// Carrier::none.
Result<Carrier> name_carrier(const std::string& directory, const wire::ServerId& identity, bool alone);

// The directory of a configuration's other files.
std::string directory_of(const std::string& config_file);

} // namespace xk::config
