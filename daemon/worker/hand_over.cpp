// SPDX-License-Identifier: MIT
// The worker's half of a hand-over: it takes a change of the policy, reads its secrets, and activates it.
#include "daemon/config/legacy_secret.h"
#include "daemon/config/secret_file.h"
#include "daemon/privsep/policy_file.h"
#include "daemon/worker/worker.h"

#include <sodium.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace xk::worker {

using namespace privsep;

Result<void> Worker::handle_new_policy(Received& received) {
    const auto message = *as<NewPolicy>(received);
    pending_.reset(); // xknockd may have given up the hand-over before this one
    if (message.base != generation_ || (judge_ && message.places < judge_->policy().credentials.size()))
        return Error{"a configuration from xknockd changes one that the worker does not have", {}, Exit::bug};
    auto change = read_policy_file(message, received.fds[0]);
    if (!change)
        return change.error();
    Pending pending{message.generation,
                    message.base,
                    *std::move(change),
                    Secret<CredentialKeys>(message.changed),
                    Secret<authz::FactorSecret>(message.changed),
                    {},
                    {}};
    if (!pending.keys.locked() || !pending.factors.locked())
        pending.report.unlocked_memory = 1;
    pending.report.generation = message.generation;
    pending_ = std::move(pending);
    return send_message(pending_->report);
}

Result<void> Worker::handle_secrets(Received& received) {
    const auto message = *as<Secrets>(received);
    // Strictly in order: no credential may go without its secrets, and none may be read twice.
    if (!pending_ || message.first != pending_->report.next || message.count == 0 || message.count > kSecretsAtOnce ||
        message.count > pending_->change.changed.size() - message.first)
        return Error{"secrets from xknockd that were not asked for", {}, Exit::bug};
    SecretsRead& report = pending_->report;
    report.bad_keys = report.bad_factors = 0;
    std::span<const Fd> files(received.fds);
    for (std::uint32_t n = 0; n < message.count; ++n) {
        authz::Credential& credential = pending_->change.changed[message.first + n].credential;
        const std::uint32_t bit = 1u << n;
        const std::size_t own = (message.without & bit) != 0 ? 0 : credential.factor == FactorKind::none ? 1 : 2;
        if (files.size() < own)
            return Error{"secrets from xknockd without their files", {}, Exit::bug};
        credential.enabled = read_secrets(message.first + n, files.first(own), bit) && credential.enabled;
        files = files.subspan(own);
    }
    if (!files.empty())
        return Error{"secrets from xknockd with files of no credential", {}, Exit::bug};
    report.next += message.count;
    return send_message(report);
}

// Reads one credential's files into the pending configuration. False: a file is bad, and its `bit` in the report is
// set.
bool Worker::read_secrets(std::uint32_t index, std::span<const Fd> files, std::uint32_t bit) {
    const authz::Credential& credential = pending_->change.changed[index].credential;
    const bool is_legacy = credential.legacy.kind != authz::DeviceKind::xknock;
    Secret<Key> key;
    const bool has_key = !files.empty() && (is_legacy ? read_legacy(index, files[0], credential.legacy.kind)
                                                      : config::read_key_file(files[0], *key));
    if (!has_key)
        pending_->report.bad_keys |= bit;
    if (!has_key || is_legacy)
        randombytes_buf(key->data(), key->size()); // nobody knows this key, but everybody knows one of zeros
    derive_keys(pending_->keys[index], *key, pending_->change.settings.server, credential.id);
    if (!has_key || files.size() < 2)
        return has_key;
    const bool has_factor = config::read_factor_file(files[1], credential.factor, pending_->factors[index]);
    if (!has_factor)
        pending_->report.bad_factors |= bit;
    return has_factor;
}

// Reads the keys of an old client's device. False: the file is bad, and there are none.
bool Worker::read_legacy(std::uint32_t index, const Fd& file, authz::DeviceKind kind) {
    const bool is_good = config::read_legacy_secret(file, kind, pending_->legacy.add(index)).has_value();
    if (!is_good)
        pending_->legacy.remove(index);
    if (!pending_->legacy.locked())
        pending_->report.unlocked_memory = 1;
    return is_good;
}

Result<void> Worker::handle_activate(Received&) {
    if (!pending_ || !pending_->is_whole())
        return Error{"xknockd activates a configuration whose secrets were not all read", {}, Exit::bug};
    Pending next = *std::exchange(pending_, {});
    const Now now = Now::read();
    std::vector<std::uint32_t> changed;
    for (const authz::PlacedCredential& placed : next.change.changed)
        changed.push_back(placed.place);
    if (!judge_)
        judge_ = std::make_unique<authz::Judge>(authz::Policy{}, Secret<CredentialKeys>(0),
                                                Secret<authz::FactorSecret>(0), state_, bans_, now);
    const bool all = next.base == 0 || next.change.settings != judge_->policy().settings;
    judge_->change_policy(std::move(next.change), {next.keys.data(), next.keys.size()},
                          {next.factors.data(), next.factors.size()}, now, next.legacy);
    judge_->set_panic(in_panic_);
    generation_ = next.generation;
    conversation_.enter_phase(Phase::judging);
    auto done = follow_clock(all);
    if (done && !all)
        done = publish_tags(Now::read(), TagScope::changed, changed);
    if (done && all)
        done = publish_all_hellos(Now::read());
    for (std::size_t i = 0; done && !all && i < changed.size(); ++i)
        done = publish_hellos(changed[i], Now::read());
    if (done && !std::exchange(has_repeated_requests_, true))
        repeat_requests();
    return done;
}

} // namespace xk::worker
