// SPDX-License-Identifier: MIT
//
// fwknop's options on "open", for hands that know them: -A PORT, -a ADDRESS, -D HOST, -n PROFILE, -f SECONDS. Each of
// fwknop's others has a message of its own.
#pragma once

#include "client/arguments.h"
#include "protocol/base/result.h"

#include <CLI/CLI.hpp>

namespace xk::client {

void add_fwknop_options(CLI::App& verb, Arguments& a);

// The same command line in our own words. An error where a word is said twice, or has no equivalent, or no host is
// named.
Result<Arguments> in_own_words(const Arguments& a);

} // namespace xk::client
