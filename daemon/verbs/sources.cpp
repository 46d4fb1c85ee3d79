// SPDX-License-Identifier: MIT
#include "daemon/verbs/sources.h"

#include <nlohmann/json.hpp>

namespace xk::verbs {

std::vector<std::size_t> find_credentials(const authz::Policy& policy, const std::string& who) {
    std::vector<std::size_t> found;
    for (std::size_t i = 0; i < policy.credentials.size(); ++i)
        if (policy.credentials[i].user.view() == who || policy.credentials[i].label() == who)
            found.push_back(i);
    return found;
}

nlohmann::json disabled_json(const config::Config& config) {
    nlohmann::json list = nlohmann::json::array();
    for (const config::Disabled& disabled : config.disabled)
        list.push_back({{"file", disabled.file}, {"faults", disabled.faults}});
    return list;
}

} // namespace xk::verbs
