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

// Returns a number that grows with every HOTP code that is used.
std::uint64_t sum_of_counters(const authz::StateImage& image) {
    std::uint64_t sum = 0;
    for (const authz::CredentialState& c : image.credentials) {
        if (all_zero(c.id)) // the rest is free
            break;
        sum += authz::next_counter(c.code_step);
    }
    return sum;
}

} // namespace

void StateCopy::look(const authz::StateImage& image, BootTime now) {
    const authz::StateHeader& header = image.header;
    const std::uint64_t digest = digest_of(header);
    const std::uint64_t counters = digest == seen_ ? counters_ : sum_of_counters(image);
    seen_ = digest;
    if (header.high_slot > slot_ || counters != counters_) {
        slot_ = header.high_slot;
        counters_ = counters;
        last_ = now;
        write_();
        return;
    }
    if (now - last_ < kInterval)
        return;
    last_ = now;
    if (digest == digest_)
        return;
    digest_ = digest;
    write_();
}

} // namespace xk
