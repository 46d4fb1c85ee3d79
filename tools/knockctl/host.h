// SPDX-License-Identifier: MIT
//
// The verbs that look at this host, or write on it, rather than ask the daemon. They need a dozen libraries, whose
// loading takes as long as all that "knockctl ban" does, which fail2ban starts once for every ban. So they are a
// program of their own, knockctl-host, with the same command line: knockctl only hands it over (elsewhere.cpp).
#pragma once

#include "tools/knockctl/control.h"
#include "tools/knockctl/keygen.h"

#include <string>

namespace xk::tools {

// The command line, before anything is read of it.
void remember_arguments(char** arguments);

int run_try(const Control& control, const std::string& file, const std::string& time);
int run_check(const std::string& file, bool as_json);
int run_doctor(const std::string& file, const Control& control);
// Whether to make a new identity, or to keep the one that is there.
int run_identity(bool make_new, const std::string& file, bool as_json);
int run_keygen(const KeygenOptions& options, bool as_json, bool no_qr);

} // namespace xk::tools
