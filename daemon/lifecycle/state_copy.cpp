// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/state_copy.h"

namespace xk {
namespace {

constexpr std::chrono::seconds kInterval{10};

// Returns a number that changes with every judgement.
std::uint64_t digest_of(const authz::StateHeader& header) {
    std::uint64_t digest = header.retries + header.high_slot;
    for (const auto n : header.accepted)
        digest = digest * 31 + n;
    for (const auto n : header.rejects)
        digest = digest * 31 + n;
    return digest;
}

} // namespace

void StateCopy::look(const authz::StateHeader& header, BootTime now) {
    if (header.high_slot > slot_) {
        slot_ = header.high_slot;
        last_ = now;
        write_();
        return;
    }
    if (now - last_ < kInterval)
        return;
    last_ = now;
    const std::uint64_t digest = digest_of(header);
    if (digest == digest_)
        return;
    digest_ = digest;
    write_();
}

} // namespace xk
