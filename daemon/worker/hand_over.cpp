// SPDX-License-Identifier: MIT
// How a configuration comes to the worker and comes to count.
#include "daemon/config/secret_file.h"
#include "daemon/worker/worker.h"

#include <sodium.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace xk::worker {

using namespace privsep;

Result<void> Worker::handle_new_policy(const NewPolicy& message, Received& received) {
    if (received.fds.size() != 1 || message.services > authz::kMaxServices ||
        message.credentials > authz::kMaxCredentials)
        return Error{"a configuration from xknockd makes no sense", {}, Exit::bug};
    pending_.reset(); // of a hand-over that was given up
    Pending pending{message.generation,
                    {},
                    Secret<CredentialKeys>(message.credentials),
                    Secret<authz::FactorSecret>(message.credentials),
                    {}};
    pending.policy.settings = message.settings;
    pending.policy.services.resize(message.services);
    pending.policy.credentials.resize(message.credentials);
    const auto read_all = [&](void* to, std::size_t size) {
        auto* at = static_cast<char*>(to);
        while (size > 0) {
            const ssize_t n = ::read(received.fds[0].get(), at, size);
            if (n <= 0 && !(n < 0 && errno == EINTR))
                return false;
            if (n > 0) {
                at += n;
                size -= static_cast<std::size_t>(n);
            }
        }
        return true;
    };
    if (!read_all(pending.policy.services.data(), message.services * sizeof(authz::Service)) ||
        !read_all(pending.policy.credentials.data(), message.credentials * sizeof(authz::Credential)))
        return Error{"a configuration from xknockd is cut", {}, Exit::bug};
    if (!pending.keys.locked() || !pending.factors.locked())
        pending.report.unlocked_memory = 1;
    pending.report.generation = message.generation;
    pending_ = std::move(pending);
    return say(pending_->report);
}

Result<void> Worker::handle_secrets(const Secrets& message, Received& received) {
    // In order and without a gap, so that none of them is left out and none is read twice.
    if (!pending_ || message.first != pending_->report.next || message.count == 0 || message.count > kSecretsAtOnce ||
        message.count > pending_->policy.credentials.size() - message.first)
        return Error{"secrets from xknockd that were not asked for", {}, Exit::bug};
    SecretsRead& report = pending_->report;
    report.bad_keys = report.bad_factors = 0;
    std::span<const Fd> files(received.fds);
    for (std::uint32_t n = 0; n < message.count; ++n) {
        authz::Credential& credential = pending_->policy.credentials[message.first + n];
        const std::uint32_t bit = 1u << n;
        const std::size_t own = (message.without & bit) != 0 ? 0 : credential.factor == FactorKind::none ? 1 : 2;
        if (files.size() < own)
            return Error{"secrets from xknockd without their files", {}, Exit::bug};
        credential.enabled = read_secrets(message.first + n, files.first(own), bit) && credential.enabled;
        files = files.subspan(own);
    }
    if (!files.empty())
        return Error{"secrets from xknockd with files of nobody", {}, Exit::bug};
    report.next += message.count;
    return say(report);
}

// Into the key and factor of the configuration that is being handed over; false, with the bit in the report, where a
// file is not what it must be.
bool Worker::read_secrets(std::uint32_t index, std::span<const Fd> files, std::uint32_t bit) {
    const authz::Credential& credential = pending_->policy.credentials[index];
    Secret<Key> key;
    const bool has_key = !files.empty() && config::read_key_file(files[0], *key);
    if (!has_key) {
        pending_->report.bad_keys |= bit;
        randombytes_buf(key->data(), key->size()); // a key that nobody has
    }
    derive(pending_->keys[index], *key, pending_->policy.settings.server, credential.id);
    if (!has_key || files.size() < 2)
        return has_key;
    const bool has_factor = config::read_factor_file(files[1], credential.factor, pending_->factors[index]);
    if (!has_factor)
        pending_->report.bad_factors |= bit;
    return has_factor;
}

Result<void> Worker::handle_activate() {
    if (!pending_ || !pending_->is_whole())
        return Error{"a configuration whose secrets were not all read is not to count", {}, Exit::bug};
    judge_ = std::make_unique<authz::Judge>(std::move(pending_->policy), std::move(pending_->keys),
                                            std::move(pending_->factors), state_, bans_, Now::read());
    judge_->set_panic(in_panic_);
    generation_ = pending_->generation;
    pending_.reset();
    auto done = follow_clock(true);
    if (done && !std::exchange(asked_again_, true))
        ask_again();
    return done;
}

} // namespace xk::worker
