// SPDX-License-Identifier: MIT
#include "daemon/hooks/request.h"

#include <cstring>

namespace xk::hooks {

std::optional<std::vector<std::string>> arguments_of(const Run& request) {
    std::vector<std::string> arguments;
    const char* at = request.text;
    const char* const end = request.text + kMaxBytes;
    for (std::uint32_t i = 0; i < request.arguments; ++i) {
        const auto* const zero = static_cast<const char*>(std::memchr(at, 0, static_cast<std::size_t>(end - at)));
        if (i == kMaxArguments || zero == nullptr)
            return std::nullopt;
        arguments.emplace_back(at, zero);
        at = zero + 1;
    }
    if (arguments.empty())
        return std::nullopt;
    return arguments;
}

std::vector<std::string> environment_of(const Run& request) {
    const auto text = [](const authz::Name& name) { return std::string(name.view()); };
    return {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            std::string("XKNOCK_EVENT=") + (request.event == Event::open ? "open" : "close"),
            "XKNOCK_USER=" + text(request.subject.user),
            "XKNOCK_DEVICE=" + text(request.subject.device),
            "XKNOCK_SOURCE=" + request.subject.source.text(),
            "XKNOCK_SERVICE=" + text(request.subject.service),
            "XKNOCK_LIFETIME=" + std::to_string(request.lifetime)};
}

} // namespace xk::hooks
