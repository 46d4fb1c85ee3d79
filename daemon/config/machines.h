// SPDX-License-Identifier: MIT
//
// Which machines may carry this server's identity: DIR/machines, a mark a line, beside server_id. What one machine has
// accepted another one does not remember, so a copy of this host, or of its configuration, lets in a knock that was
// used already. The file is copied with the identity, and the machine's own id (machine-id(5)) is not: so a copy is
// noticed.
#pragma once

#include "protocol/base/result.h"
#include "protocol/wire.h"

#include <string>

namespace xk::config {

enum class Carrier {
    named,   // this machine is in the file
    another, // it is not
    unnamed, // there is no such file
    none,    // this machine has no id by which it could be told from another one
};

// Of the machine that this is.
Result<Carrier> find_carrier(const std::string& directory, const wire::ServerId& identity);

// Writes this machine into the file: beside those that are there, or `alone`. A machine without an id writes nothing,
// and none is returned.
Result<Carrier> name_carrier(const std::string& directory, const wire::ServerId& identity, bool alone);

// Where the files that belong to a configuration are.
std::string directory_of(const std::string& config_file);

} // namespace xk::config
