// SPDX-License-Identifier: MIT
//
// The first device, enrolled as "knockctl user add" does it: its files here, and its profile where its person fetches
// it. An enrolment that was cut off (kill -9, a power cut) is finished or taken back by the next run.
#pragma once

#include "protocol/base/result.h"
#include "tools/knockctl/host/setup/answers.h"

#include <string>
#include <vector>

namespace xk::tools::setup {

struct EnrolledDevice {
    bool is_new = false;              // false: it was there, and nothing was changed
    std::string profile;              // where the profile waits; empty: nobody knows, it was handed out before
    std::vector<std::string> written; // files, for people
};

// Makes the device of `answers` (user, device, login, factor, hosts), and puts its profile to `profile_file`, or where
// that is empty into the login's spool.
Result<EnrolledDevice> enrol_first_device(const std::string& config_file, const Answers& answers,
                                          const std::string& profile_file);

// Whether the profile still waits in the spool.
bool waits_in_spool(const std::string& login, const std::string& device);

} // namespace xk::tools::setup
