// SPDX-License-Identifier: MIT
#include "daemon/grants/grants.h"

#include <algorithm>
#include <utility>

namespace xk {
namespace {

using authz::Answer;
using authz::EndCause;
using authz::PinholeChange;

constexpr std::size_t kMostNamed = 4; // pinholes in an error

} // namespace

Grants::Grants(nft::Sets& sets, std::shared_ptr<const config::Config> config, Clock clock)
    : sets_(sets), clock_(std::move(clock)) {
    bind_config(std::move(config));
}

void Grants::on_open(Opening opening, std::function<void(const authz::Pinhole&)> opened) {
    opening_ = std::move(opening);
    opened_ = std::move(opened);
}

Grants::Done Grants::open_grant(const authz::GrantRequest& request, const authz::BanList& bans,
                                const std::set<Address>& own_addresses, const Now& now) {
    expire(now.boot);
    const authz::Permit permit =
        authz::permit_open(request, {config_->policy, book_, bans, own_addresses, config_->max_grants}, now);
    const bool known = request.credential < config_->policy.credentials.size();
    return carry_out(permit, known ? config_->policy.credentials[request.credential].id : wire::CredentialId{}, now);
}

Grants::Done Grants::open_by_operator(const authz::GrantRequest& request, const authz::BanList& bans,
                                      const std::set<Address>& own_addresses, const Now& now) {
    expire(now.boot);
    const authz::Permit permit =
        authz::permit_operator(request, {config_->policy, book_, bans, own_addresses, config_->max_grants}, now);
    Done done = carry_out(permit, authz::kOperator, now);
    if (done.answer != Answer::waiting)
        return done;
    // The operator's reply must say what came of it, so their grant does not wait for the pause.
    auto applied = apply({}, now);
    done.answer = applied ? Answer::done : Answer::failed;
    if (!applied)
        done.error = applied.error();
    return done;
}

std::string Grants::names_of(const authz::Permit& permit) const {
    std::vector<std::string> names;
    for (const authz::Permit::One& one : permit.pinholes)
        if (std::string name(config_->policy.services[one.service].name.view());
            std::ranges::find(names, name) == names.end())
            names.push_back(std::move(name));
    std::string text;
    for (const std::string& name : names)
        text += (text.empty() ? "" : ", ") + name;
    return text;
}

Grants::Done Grants::carry_out(const authz::Permit& permit, const wire::CredentialId& credential, const Now& now) {
    Done done{permit.answer, names_of(permit), permit.plain(), {}, {}};
    const bool single =
        std::ranges::any_of(permit.pinholes, [](const authz::Permit::One& one) { return one.single_use; });
    if (is_external() && single && done.answer == Answer::done) {
        done.answer = Answer::refused;
        done.error = Error{"gate mode \"external\" has no grants for one connection", {}};
    }
    if (done.answer != Answer::done)
        return done;
    std::vector<PinholeChange> changes;
    for (const authz::Permit::One& one : permit.pinholes) {
        to_open_.insert(one.pinhole);
        changes.push_back(book_.plan_open(one.pinhole, {credential, now.boot + one.lifetime, one.single_use}));
        done.lifetime = std::max(done.lifetime, one.lifetime);
    }
    if (has_to_wait(now.boot)) {
        let_wait(changes);
        done.answer = Answer::waiting;
        return done;
    }
    if (auto applied = apply(changes, now); !applied) {
        done.answer = Answer::failed;
        done.error = applied.error();
    }
    return done;
}

std::string Grants::text_of_some(const std::vector<PinholeChange>& changes) const {
    std::string text;
    for (std::size_t i = 0; i < changes.size() && i < kMostNamed; ++i)
        text += (i == 0 ? "" : ", ") + text_of(changes[i].pinhole) + " for " + changes[i].pinhole.address.text();
    return text + (changes.size() > kMostNamed ? " and " + std::to_string(changes.size() - kMostNamed) + " more" : "");
}

Grants::Done Grants::apply_closing(const std::vector<PinholeChange>& changes, const Now& now) {
    Done done{Answer::done, {}, {}, {}, {}};
    for (const PinholeChange& change : changes)
        done.pinholes.push_back(change.pinhole);
    if (auto applied = apply(changes, now); !applied) {
        done.answer = Answer::failed;
        done.error = applied.error();
    }
    return done;
}

Grants::Done Grants::close_grant(const authz::GrantRequest& request, const Now& now) {
    expire(now.boot);
    const authz::Permit permit = authz::permit_close(request, config_->policy);
    if (permit.answer != Answer::done)
        return {permit.answer, {}, {}, {}, {}};
    const wire::CredentialId& credential = config_->policy.credentials[request.credential].id;
    std::vector<PinholeChange> changes;
    for (const authz::Pinhole& pinhole : permit.plain())
        for (PinholeChange& change : book_.plan_close(pinhole, credential))
            changes.push_back(std::move(change));
    Done done = apply_closing(changes, now);
    done.service = names_of(permit);
    return done;
}

Grants::Done Grants::close_all(std::uint32_t credential, const Now& now) {
    expire(now.boot);
    if (credential >= config_->policy.credentials.size())
        return {Answer::refused, {}, {}, {}, {}};
    return apply_closing(book_.plan_close_all(config_->policy.credentials[credential].id), now);
}

Result<std::size_t> Grants::close_prefix(const Prefix& prefix, const Now& now, EndCause cause) {
    expire(now.boot);
    auto changes = book_.plan_close(prefix);
    for (PinholeChange& change : changes)
        change.cause = cause;
    if (auto applied = apply(changes, now); !applied)
        return applied.error();
    if (auto done = expel_strangers(); !done)
        return done.error();
    return changes.size();
}

Result<std::size_t> Grants::close_banned(const authz::BanList& bans, const Now& now) {
    expire(now.boot);
    std::vector<PinholeChange> changes;
    for (const auto& [pinhole, holders] : book_.all())
        if (bans.is_banned(pinhole.address, now.boot))
            changes.push_back({pinhole, {}, EndCause::banned});
    if (auto applied = apply(changes, now); !applied)
        return std::move(applied).error().within("closing " + text_of_some(changes));
    return changes.size();
}

Result<std::size_t> Grants::close_credentials(const std::vector<wire::CredentialId>& credentials, const Now& now) {
    expire(now.boot);
    std::size_t closed = 0;
    for (const wire::CredentialId& credential : credentials) {
        auto changes = book_.plan_close_all(credential);
        for (PinholeChange& change : changes)
            change.cause = EndCause::by_operator;
        if (auto applied = apply(changes, now); !applied)
            return applied.error();
        closed += changes.size();
    }
    if (auto done = expel_strangers(); !done)
        return done.error();
    return closed;
}

} // namespace xk
