// SPDX-License-Identifier: MIT
// xknockd's half of a hand-over. It sends the differences from the configuration that counts, and the secrets of the
// credentials that differ. The worker requests the next sixteen secrets when it has read the last ones, because the
// number of open descriptors is limited on both sides (RLIMIT_NOFILE).
#include "daemon/log.h"
#include "daemon/monitor/monitor.h"
#include "daemon/privsep/policy_file.h"

#include <algorithm>
#include <map>

namespace xk {

using namespace privsep;

namespace {

Error not_a_key(const std::string& file, authz::DeviceKind kind) {
    if (kind == authz::DeviceKind::capyknock)
        return Error{file + ": is not capyknock's key: one line is expected, the base64url of 32 bytes",
                     {},
                     Exit::configuration};
    if (kind == authz::DeviceKind::fwknop)
        return Error{file + ": does not have fwknop's keys: two lines are expected, one with KEY_BASE64 or KEY and one "
                            "with HMAC_KEY_BASE64 or HMAC_KEY",
                     "they are in the user's ~/.fwknoprc; \"knockctl check\" says which line is wrong",
                     Exit::configuration};
    return Error{file + ": is not a key: 44 characters of base64 are expected, and not all zero",
                 "\"knockctl keygen\" makes a new one", Exit::configuration};
}

Error not_a_factor(const std::string& file) {
    return Error{
        file +
            ": is not a second factor's secret: base32 of 20 to 64 bytes (totp, hotp) or base64 of 32 bytes (hmac) is "
            "expected, and not all zero",
        "\"knockctl keygen\" makes a new one", Exit::configuration};
}

} // namespace

Result<void> Monitor::hand_over_of(config::Config& next, const Check& may_disable, const std::set<std::string>* users) {
    for (;;) {
        auto bad = hand_over_once(next, users);
        if (!bad) {
            plan_.reset();
            return bad.error();
        }
        if (bad->empty())
            return {};
        plan_.reset();
        // From the largest index down, so that the smaller ones stay valid.
        std::ranges::sort(*bad, std::greater(), &BadSecrets::index);
        for (const BadSecrets& one : *bad)
            config::disable(next, one.index, one.error);
        if (auto fine = may_disable(next); !fine)
            return fine;
    }
}

Places::Plan Monitor::plan(const config::Config& next, const std::set<std::string>* users) const {
    const bool all = users == nullptr || !config_;
    std::vector<SecretStamps> stamps(next.secrets.size());
    for (std::size_t i = 0; i < stamps.size(); ++i)
        if (all || users->contains(std::string(next.policy.credentials[i].user.view())))
            stamps[i] = stamp_secrets(next.secrets[i], Now::read().wall, settings_.settled_after);
    return all ? places_.plan(config_ ? &config_->policy : nullptr, next.policy, std::move(stamps))
               : places_.plan_users(config_->policy, next.policy, std::move(stamps), *users);
}

Result<std::vector<Monitor::BadSecrets>> Monitor::hand_over_once(const config::Config& next,
                                                                 const std::set<std::string>* users) {
    plan_ = plan(next, users);
    auto file = write_policy_file(plan_->change);
    if (!file)
        return file.error();
    file->message.generation = ++last_generation_;
    file->message.base = generation_;
    const int fd = file->file.get();
    if (auto sent = send_message(file->message, {&fd, 1}); !sent)
        return sent.error();
    std::vector<BadSecrets> bad;
    auto read = wait_for_secrets_read(0);
    while (read && read->next < plan_->indices.size())
        read = hand_over_secrets(next, read->next, bad);
    if (!read)
        return read.error();
    if (read->unlocked_memory)
        log::warn("the worker's keys could not be locked in memory: raise LimitMEMLOCK");
    handed_over_count_ = plan_->indices.size();
    return bad;
}

// Sends a few secrets. Their files are open only during this call, because the descriptors are limited.
Result<SecretsRead> Monitor::hand_over_secrets(const config::Config& next, std::uint32_t first,
                                               std::vector<BadSecrets>& bad) {
    const std::vector<std::uint32_t>& indices = plan_->indices;
    Secrets message;
    message.first = first;
    message.count = std::min(kSecretsAtOnce, static_cast<std::uint32_t>(indices.size()) - first);
    std::vector<Fd> files;
    std::vector<int> fds;
    std::map<std::uint32_t, Error> faults; // by index of the credential
    for (std::uint32_t n = 0; n < message.count; ++n) {
        auto opened = config::open_secrets(next, indices[first + n]);
        if (!opened) {
            message.without |= 1u << n;
            faults.emplace(indices[first + n], opened.error());
            continue;
        }
        for (Fd& fd : *opened) {
            fds.push_back(fd.get());
            files.push_back(std::move(fd));
        }
    }
    if (auto sent = send_message(message, fds); !sent)
        return sent.error();
    auto read = wait_for_secrets_read(first + message.count);
    if (!read)
        return read;
    for (std::uint32_t n = 0; n < message.count; ++n) {
        const config::SecretFiles& own = next.secrets[indices[first + n]];
        if ((read->bad_keys >> n & 1) != 0)
            faults.emplace(indices[first + n],
                           not_a_key(own.key, next.policy.credentials[indices[first + n]].legacy.kind));
        else if ((read->bad_factors >> n & 1) != 0)
            faults.emplace(indices[first + n], not_a_factor(own.factor));
    }
    for (auto& [index, error] : faults)
        bad.push_back({index, std::move(error)});
    return read;
}

Result<SecretsRead> Monitor::wait_for_secrets_read(std::uint32_t next) {
    for (;;) {
        auto received = wait_for(Type::secrets_read);
        if (!received)
            return received.error();
        const auto read = as<SecretsRead>(*received);
        if (read->generation != last_generation_)
            continue; // a late report of an earlier hand-over, which failed
        if (read->next != next)
            return worker_error("said something that makes no sense: a report of other secrets");
        return *read;
    }
}

void Monitor::commit(std::shared_ptr<const config::Config> handed_over) {
    if (!plan_ || places_.size_after(*plan_) != handed_over->policy.credentials.size())
        std::abort(); // a bug: this is not the configuration that was handed over
    changed_places_ = plan_->touched();
    publication_.begin_generation(last_generation_, changed_places_);
    generation_ = last_generation_;
    places_.commit(*std::exchange(plan_, {}));
    config_ = std::move(handed_over);
}

// A worker that did not get this message judges by another configuration than the one that counts here. So it is given
// up, and the next one begins with the same configuration as its daemon.
Result<void> Monitor::activate() {
    auto sent = send_message(Activate{});
    if (sent)
        conversation_.enter_phase(Phase::judging);
    else
        end(sent.error());
    return sent;
}

std::vector<bool> Monitor::disabled_places() const {
    std::vector<bool> disabled(places_.count(), true);
    for (const authz::Credential& credential : config_->policy.credentials)
        if (const auto place = places_.find(credential.id))
            disabled[*place] = !credential.enabled;
    return disabled;
}

} // namespace xk
