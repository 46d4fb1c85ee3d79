// SPDX-License-Identifier: MIT
#include "daemon/verbs/control_fields.h"

#include <algorithm>

namespace xk {

std::int64_t seconds_left(BootTime until, BootTime now) {
    return std::max<std::int64_t>(0, std::chrono::ceil<std::chrono::seconds>(until - now).count());
}

Result<std::optional<std::chrono::seconds>> seconds_of(const nlohmann::json& request) {
    if (!request.contains("seconds"))
        return std::optional<std::chrono::seconds>();
    const nlohmann::json& seconds = request["seconds"];
    if (!seconds.is_number_unsigned() || seconds == 0 || seconds > UINT32_MAX)
        return Error{"\"seconds\" is not a number of seconds", {}, Exit::usage};
    return std::optional(std::chrono::seconds(seconds.get<std::uint32_t>()));
}

} // namespace xk
