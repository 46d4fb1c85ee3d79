// SPDX-License-Identifier: MIT
//
// The passphrase of a bundle. It comes from a file, from standard input or from the terminal, and never from an
// argument or the environment, which others can read.
#pragma once

#include "protocol/base/bytes.h"
#include "protocol/base/result.h"
#include "protocol/secret.h"

#include <string>

namespace xk::tools {

struct Passphrase {
    Secret<char> memory;
    std::size_t size = 0;
    ByteView bytes() const { return {reinterpret_cast<const std::uint8_t*>(memory.data()), size}; }
};

// The first line of the file, or of standard input (-). Empty: it is asked for twice on the terminal.
Result<Passphrase> read_passphrase(const std::string& file);

} // namespace xk::tools
