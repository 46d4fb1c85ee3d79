// SPDX-License-Identifier: MIT
// The worker's log lines about outcomes, within their budget.
#include "daemon/log.h"
#include "daemon/worker/worker.h"

namespace xk::worker {
namespace {

std::string label_of(const authz::Policy& policy, const authz::Outcome& outcome) {
    return outcome.credential ? policy.credentials[*outcome.credential].label() : "unknown credential";
}

} // namespace

void Worker::log_outcome(const authz::Outcome& outcome, const Now& now) {
    const std::string who = label_of(judge_->policy(), outcome);
    if (const authz::Accepted* accepted = outcome.accepted()) {
        // xknockd opens and closes, and logs it.
        if (accepted->retry)
            spdlog::debug("retry of {} {} from {}", who, name_of(accepted->action), outcome.source.text());
        else if (accepted->action == Action::probe && log_budget_.allow(authz::kRejects, outcome.source, now.boot))
            spdlog::info("probe by {} from {}", who, outcome.source.text());
        return;
    }
    if (outcome.pending() != nullptr) // its end is an outcome of its own
        return;
    const authz::Refused& refused = *outcome.refused();
    // A lock is always logged. A credential has at most fifty of them before it is locked for good.
    const bool locks =
        refused.reason == authz::Reject::wrong_code && (refused.locked_for_good || refused.locked_for.count() > 0);
    if (!locks && !log_budget_.allow(static_cast<unsigned>(refused.reason), outcome.source, now.boot))
        return;
    std::string more;
    if (refused.locked_for_good)
        more = ", locked until \"knockctl unlock\"";
    else if (refused.locked_for.count() > 0)
        more = fmt::format(", locked for {} s", refused.locked_for.count());
    spdlog::warn("refused {} from {}: {}{}", who, outcome.source.text(), name_of(refused.reason), more);
}

void Worker::tell_the_rest() {
    if (const auto suppressed = log_budget_.take_suppressed(BootClock::now()); suppressed > 0)
        spdlog::warn("{} more refusals and probes were not logged", suppressed);
    if (const auto malformed = ring_.malformed(); malformed > malformed_told_) {
        spdlog::error("{} records of the ring have a wrong size: is the filter of another release?",
                      malformed - malformed_told_);
        malformed_told_ = malformed;
    }
    if (const auto unknown = ring_.unknown(); unknown > unknown_told_) {
        spdlog::error("{} records of the ring are of an unknown kind: is the filter of another release?",
                      unknown - unknown_told_);
        unknown_told_ = unknown;
    }
}

} // namespace xk::worker
