// SPDX-License-Identifier: MIT
//
// The questions of the set-up, each with a default that is right on a plain server. What an option answers is not
// asked.
#pragma once

#include "tools/knockctl/host/setup/answers.h"
#include "tools/knockctl/host/setup/console.h"
#include "tools/knockctl/setup_options.h"

namespace xk::tools::setup {

// For the configuration: interfaces, hidden, allow, port.
Result<void> ask_configuration(Console& console, const SetupOptions& options, const Surroundings& around,
                               Answers& answers);

// For the first device: user, login, device, factor, hosts. `known`: a device that is enrolled already, or empty.
struct KnownDevice {
    std::string user, device;
};
Result<void> ask_device(Console& console, const SetupOptions& options, const Surroundings& around,
                        const HostFacts& facts, const KnownDevice& known, Answers& answers);

} // namespace xk::tools::setup
