// SPDX-License-Identifier: MIT
//
// The verbs of knock-client. Each returns the exit code.
#pragma once

#include "client/arguments.h"
#include "protocol/base/result.h"

namespace xk::client {

int run_proxy(const Arguments& arguments);
int run_open(const Arguments& arguments);
int run_close(const Arguments& arguments);
int run_status(const Arguments& arguments);
int run_test(const Arguments& arguments);
int run_ls(const Arguments& arguments);

// Prints the error with its hint; the exit code.
int fail(const Error& error);

} // namespace xk::client
