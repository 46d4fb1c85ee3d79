// SPDX-License-Identifier: MIT
#include "client/ssh_route.h"

#include "client/child.h"

#include <algorithm>

namespace xk::client {
namespace {

constexpr std::size_t kMostConfiguration = 256U * 1024; // bytes that "ssh -G" prints

bool is_ours(std::string_view command) {
    return command.find("knock-client") != command.npos || command.find("xknock.py") != command.npos;
}

} // namespace

std::string other_route_in(std::string_view configuration) {
    while (!configuration.empty()) {
        const std::string_view line = configuration.substr(0, configuration.find('\n'));
        configuration.remove_prefix(std::min(line.size() + 1, configuration.size()));
        for (const std::string_view key : {"proxycommand ", "proxyjump "})
            if (line.starts_with(key) && line.substr(key.size()) != "none" && !is_ours(line))
                return std::string(line.substr(key.size()));
    }
    return {};
}

Result<std::string> other_route(const std::string& host, const std::vector<std::string>& options) {
    std::vector<std::string> command = {"ssh", "-G"};
    command.insert(command.end(), options.begin(), options.end());
    command.insert(command.end(), {"--", host});
    auto printed = run_to_end(command, kMostConfiguration);
    if (!printed)
        return printed.error();
    if (printed->exit_code != 0)
        return Error{"ssh does not accept its own configuration", {}};
    return other_route_in({printed->text.data(), printed->text.size()});
}

} // namespace xk::client
