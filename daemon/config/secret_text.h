// SPDX-License-Identifier: MIT
//
// The text of a secret file, in locked memory.
#pragma once

#include "protocol/base/fd.h"
#include "protocol/secret.h"

#include <cstddef>
#include <string_view>

namespace xk::config {

inline constexpr std::size_t kMostSecretText = 512; // bytes

struct SecretText {
    char bytes[kMostSecretText];
};

// The text of the file without white space at its end; empty if it is too long or cannot be read.
std::string_view read_text(const Fd& fd, Secret<SecretText>& memory);

} // namespace xk::config
