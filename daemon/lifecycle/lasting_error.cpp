// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/lasting_error.h"

#include "daemon/log.h"

namespace xk {

void LastingError::on_result(const Result<void>& result, std::string_view what) {
    std::string message = result ? std::string() : result.error().message;
    if (!result && message != logged_)
        log::error(what.empty() ? result.error() : Error(result.error()).within(what));
    logged_ = std::move(message);
}

} // namespace xk
