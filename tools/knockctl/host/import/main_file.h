// SPDX-License-Identifier: MIT
//
// Adds to xknock.yaml what users that are taken over need there. Every other line of it stays.
#pragma once

#include "daemon/config/config.h"
#include "protocol/base/result.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace xk::tools::takeover {

struct Additions {
    std::vector<std::pair<std::string, PortRange>> services; // name, port
    std::optional<std::uint16_t> capyknock_port, fwknop_port;
    std::optional<std::string> c_lock; // the value of the key, where there is none yet

    bool empty() const { return services.empty() && !capyknock_port && !fwknop_port && !c_lock; }
};

// The text with the additions. An error where that would be a guess; it has the lines to write by hand.
Result<std::string> add_to_main(std::string_view text, const std::string& file, const config::Config& config,
                                const Additions& additions);

} // namespace xk::tools::takeover
