// SPDX-License-Identifier: MIT
// Closes grants on request of their user or of the operator, and by a ban.
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
