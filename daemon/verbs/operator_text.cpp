// SPDX-License-Identifier: MIT
#include "daemon/verbs/operator_text.h"

#include "daemon/log.h"

namespace xk::verbs {
namespace {

std::string text_of(const authz::Operator& by) {
    const bool is_other = by.login_uid && *by.login_uid != by.uid;
    return "the operator (uid " + std::to_string(by.uid) +
           (is_other ? ", login uid " + std::to_string(*by.login_uid) : "") + ")";
}

} // namespace

std::string by_operator(const authz::Operator& by) { return "by " + text_of(by); }

void log_request(const authz::Operator& by, const std::string& words) {
    spdlog::info("{} says \"{}\"", text_of(by), words);
}

} // namespace xk::verbs
