// SPDX-License-Identifier: MIT
#include "daemon/grants/grants.h"

#include "daemon/grants/grant_element.h"
#include "daemon/nft/element.h"

#include <algorithm>
#include <utility>

namespace xk {
namespace {

using authz::Answer;
using authz::Holder;
using authz::PinholeChange;
using std::chrono::milliseconds;

// The kernel counts time-outs in jiffies, of 10 ms at most, and rounds up.
constexpr milliseconds kTimeoutGrain{20};

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

Result<void> Grants::apply(const std::vector<PinholeChange>& changes, const Now& now) {
    const std::vector<PinholeChange> all = with_waiting(changes), back = as_in_kernel();
    const auto to_open = std::exchange(to_open_, {});
    if (all.empty())
        return {};
    nft::Transaction transaction;
    write_changes(transaction, all, now);
    for (const authz::Pinhole& pinhole : to_open)
        opening_(transaction, pinhole);
    pace_.on_transaction(now.boot, book_.pinholes());
    auto done = sets_.commit(std::move(transaction));
    remember_lag(now.boot);
    book_.enter_changes(done ? changes : back);
    if (done)
        std::ranges::for_each(to_open, opened_);
    end_waiting(done.has_value());
    return done;
}

void Grants::write_changes(nft::Transaction& transaction, const std::vector<PinholeChange>& changes,
                           const Now& now) const {
    for (const PinholeChange& change : changes)
        write_change(transaction, change, now);
}

void Grants::write_change(nft::Transaction& transaction, const PinholeChange& change, const Now& now) const {
    const std::vector<Holder>* const known = in_kernel(change.pinhole);
    const bool was_single = known != nullptr && authz::is_single_use(*known);
    const bool single = change.holders.empty() ? was_single : change.single_use();
    const nft::PinholeSet set = set_of(change.pinhole, single);
    nft::Element element;
    element.key = nft::key_of(set, change.pinhole);
    if (was_single != single && known != nullptr)
        nft::remove_element(transaction, set_of(change.pinhole, was_single).name, element.key);
    if (change.holders.empty()) {
        nft::remove_element(transaction, set.name, element.key);
        return;
    }
    if (guard_ != nullptr)
        guard_->admit(change.pinhole.address, change.until());
    element.timeout = std::max(std::chrono::ceil<milliseconds>(change.until() - now.boot), milliseconds(1));
    element.comment = comment_of(change.holders);
    element.data = encode_holders(change.holders);
    nft::put_element(transaction, set.name, element);
}

// A time-out begins when the kernel takes the element. So it ends later than the grant, by the time that the
// transaction took. The book keeps each grant for this time too, because an empty list of grants must mean that no
// pinhole is open.
void Grants::remember_lag(BootTime since) { behind_ = std::max(behind_, clock_() - since + kTimeoutGrain); }

} // namespace xk
