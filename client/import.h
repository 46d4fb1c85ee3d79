// SPDX-License-Identifier: MIT
//
// The verb import: takes what another client's file says over into profiles that are enrolled already.
#pragma once

#include "client/arguments.h"

namespace xk::client {

int run_import(const Arguments& arguments);

} // namespace xk::client
