// SPDX-License-Identifier: MIT
#include "daemon/grants/grants.h"

#include "daemon/log.h"
#include "daemon/nft/ruleset.h"
#include "protocol/base/quote.h"

#include <algorithm>

namespace xk {
namespace {

using authz::Answer;
using authz::Holder;
using authz::PinholeChange;
using std::chrono::milliseconds;

// An element's private data: for each holder the credential's id and the end of its time (boot time, ns,
// big-endian).
constexpr std::size_t kHolderSize = wire::kCredentialIdSize + 8;
static_assert(kHolderSize * authz::kMaxHolders <= nft::kMaxData);

std::vector<std::uint8_t> encode(const std::vector<Holder>& holders) {
    std::vector<std::uint8_t> data;
    for (const Holder& holder : holders) {
        data.insert(data.end(), holder.credential.begin(), holder.credential.end());
        Bytes<8> until;
        store_be<std::uint64_t>(until, static_cast<std::uint64_t>(holder.until.time_since_epoch().count()));
        data.insert(data.end(), until.begin(), until.end());
    }
    return data;
}

std::vector<Holder> decode(const std::vector<std::uint8_t>& data) {
    std::vector<Holder> holders;
    if (data.size() % kHolderSize != 0)
        return holders;
    for (std::size_t at = 0; at < data.size(); at += kHolderSize) {
        Holder holder;
        std::copy_n(data.begin() + static_cast<std::ptrdiff_t>(at), holder.credential.size(),
                    holder.credential.begin());
        Bytes<8> until;
        std::copy_n(data.begin() + static_cast<std::ptrdiff_t>(at + holder.credential.size()), until.size(),
                    until.begin());
        holder.until = BootTime(std::chrono::nanoseconds(static_cast<std::int64_t>(load_be<std::uint64_t>(until))));
        holders.push_back(holder);
    }
    return holders;
}

constexpr milliseconds kEnding{1000};
// The kernel counts time-outs in jiffies, of 10 ms at most, and rounds up.
constexpr milliseconds kTimeoutGrain{20};

// Below this many pinholes a listing is so short that it ends between any two knocks.
constexpr std::size_t kManyPinholes = 1000;
// Twice the time that nft(8) takes to list a pinhole (10,000 in 0.1 s; tests/bench/listing): one that was under way
// when the pause began fails, and the next one has to fit in.
constexpr std::chrono::microseconds kPauseForAPinhole{20};
// A run of transactions is so many pauses long: of five knocks one waits, for half a pause on average.
constexpr int kRun = 4;

} // namespace

Grants::Grants(nft::Socket& socket, const config::Config& config) : socket_(socket) { use(config); }

void Grants::on_open(Opening opening, std::function<void(const authz::Pinhole&)> opened) {
    opening_ = std::move(opening);
    opened_ = std::move(opened);
}

std::optional<authz::Pinhole> Grants::pinhole_like(const authz::Pinhole& like) const {
    for (const authz::Service& service : config_->policy.services)
        if (const auto pinhole = service.pinhole(like))
            return pinhole;
    return std::nullopt;
}

const authz::Service* Grants::service_of(const authz::Pinhole& pinhole) const {
    for (const authz::Service& service : config_->policy.services)
        if (service.pinhole(pinhole) == pinhole)
            return &service;
    return nullptr;
}

std::optional<PortRange> Grants::range_of(const authz::Pinhole& pinhole) const {
    for (const PortRange& range : config_->ranges())
        if (pinhole.is_local() && range.begin() == pinhole.endpoint)
            return range;
    return std::nullopt;
}

PortRange Grants::ports_of(const authz::Pinhole& pinhole) const {
    return range_of(pinhole).value_or(PortRange::of(pinhole.endpoint));
}

std::string Grants::label_of(const wire::CredentialId& credential) const {
    const auto index = config_->policy.find_credential(credential);
    std::string label =
        index ? config_->policy.credentials[*index].label() : std::string(authz::user_of(config_->policy, credential));
    return label.empty() ? "unknown" : label;
}

std::string Grants::text_of(const authz::Pinhole& pinhole) const {
    const auto range = range_of(pinhole);
    return (range ? range->text() : pinhole.endpoint.text()) +
           (pinhole.is_local() ? "" : " of " + pinhole.target.text());
}

std::vector<nft::PinholeSet> Grants::sets() const {
    if (!external())
        return nft::pinhole_sets(config_->ranges(), config_->has_targets());
    std::vector<nft::PinholeSet> sets(2);
    sets[0].name = {config_->external.table, config_->external.set4};
    sets[1].name = {config_->external.table, config_->external.set6};
    sets[1].v4 = false;
    return sets;
}

nft::PinholeSet Grants::set_of(const authz::Pinhole& pinhole, bool once) const {
    if (!external())
        return nft::set_of(pinhole, range_of(pinhole), once);
    return sets()[pinhole.address.is_v4() ? 0 : 1];
}

std::string Grants::comment_of(const std::vector<Holder>& holders) const {
    std::string comment;
    for (const Holder& holder : holders) {
        const std::string label = label_of(holder.credential);
        if (comment.size() + label.size() + 6 > nft::kMaxComment)
            return comment + ", ...";
        comment += (comment.empty() ? "" : ", ") + label;
    }
    return comment;
}

Result<void> Grants::adopt(const Now& now) {
    for (const nft::PinholeSet& set : sets()) {
        auto elements = nft::list_elements(socket_, set.name);
        if (!elements)
            return elements.error();
        for (const nft::Element& element : *elements) {
            const auto pinhole = nft::pinhole_of(set, element.key);
            std::vector<Holder> holders = decode(element.data);
            if (!pinhole || holders.empty())
                continue; // not one of ours
            // The earlier end counts: after a sleep ours, and never a longer one than the kernel would have given.
            const BootTime end = now.boot + element.expires;
            for (Holder& holder : holders) {
                holder.until = std::min(holder.until, end);
                holder.single = set.once;
            }
            book_.enter({{*pinhole, holders}});
        }
    }
    return restore(now);
}

void Grants::write(nft::Transaction& transaction, const Now& now) {
    std::vector<PinholeChange> changes;
    for (const auto& [pinhole, holders] : book_.all()) {
        PinholeChange change{pinhole, holders};
        std::erase_if(change.holders, [&](const Holder& h) { return h.until <= now.boot; });
        changes.push_back(std::move(change));
    }
    write(transaction, changes, now);
    for (const authz::Pinhole& pinhole : to_open_)
        opening_(transaction, pinhole);
    book_.expire(now.boot);
    forget_waiting(true); // they are among them; where it is not done, it is done again
}

Result<std::vector<Grants::Stranger>> Grants::strangers() const {
    std::vector<Stranger> found;
    if (external())
        return found;
    for (const nft::PinholeSet& set : sets()) {
        auto elements = nft::list_elements(socket_, set.name);
        if (!elements)
            return elements.error();
        for (nft::Element& element : *elements) {
            const auto pinhole = nft::pinhole_of(set, element.key);
            // Of ours, and over in the book: the kernel is a moment behind.
            const bool ending = !decode(element.data).empty() && element.expires < kEnding;
            if (ending || (pinhole && in_kernel(*pinhole) != nullptr))
                continue;
            const std::string who = pinhole ? pinhole->address.text() + " to " + text_of(*pinhole) : "an element";
            const std::string comment =
                element.comment.empty() ? "" : " (" + printable(element.comment, nft::kMaxComment) + ")";
            found.push_back({set.name, std::move(element.key), who + comment + " in set " + set.name.set});
        }
    }
    return found;
}

void Grants::expel(nft::Transaction& transaction, const std::vector<Stranger>& strangers) {
    for (const Stranger& stranger : strangers) {
        nft::remove_element(transaction, stranger.set, stranger.key);
        spdlog::warn("{}: nobody was granted that; it is taken out", stranger.text);
    }
}

Result<void> Grants::expel_strangers() {
    const auto found = strangers();
    if (!found)
        return found.error();
    nft::Transaction transaction;
    expel(transaction, *found);
    return socket_.commit(std::move(transaction));
}

Result<void> Grants::restore(const Now& now) {
    const auto found = strangers();
    if (!found)
        return found.error();
    nft::Transaction transaction;
    expel(transaction, *found);
    write(transaction, now);
    auto done = socket_.commit(std::move(transaction));
    was_written(now.boot);
    return done;
}

// A time-out begins when the kernel takes the element, so it ends later than the grant by as much as that took. Whoever
// reads that there are no grants may take it that nobody gets in.
void Grants::was_written(BootTime since) { behind_ = std::max(behind_, BootClock::now() - since + kTimeoutGrain); }

void Grants::expire(BootTime now) {
    book_.expire(now - behind_);
    if (book_.pinholes() == 0)
        behind_ = {};
}

Result<std::set<authz::Pinhole>> Grants::list_elements(bool once_only) const {
    std::set<authz::Pinhole> there;
    for (const nft::PinholeSet& set : sets()) {
        if (once_only && !set.once)
            continue;
        auto elements = nft::list_elements(socket_, set.name);
        if (!elements)
            return elements.error();
        for (const nft::Element& element : *elements)
            if (const auto pinhole = nft::pinhole_of(set, element.key))
                there.insert(*pinhole);
    }
    return there;
}

Result<std::size_t> Grants::forget_missing() {
    const auto there = list_elements(false);
    if (!there)
        return there.error();
    std::set<authz::Pinhole> gone;
    for (const auto& [pinhole, holders] : book_.all())
        if (!there->contains(pinhole) && !waiting_.contains(pinhole))
            gone.insert(pinhole);
    forget(gone);
    return gone.size();
}

Result<void> Grants::forget_taken() {
    std::set<authz::Pinhole> single;
    for (const auto& [pinhole, holders] : book_.all())
        if (authz::is_for_one(holders))
            single.insert(pinhole);
    if (single.empty())
        return {};
    const auto there = list_elements(true);
    if (!there)
        return there.error();
    std::erase_if(
        single, [&](const authz::Pinhole& pinhole) { return there->contains(pinhole) || waiting_.contains(pinhole); });
    forget(single);
    return {};
}

void Grants::forget(const std::set<authz::Pinhole>& pinholes) {
    std::vector<PinholeChange> gone;
    for (const authz::Pinhole& pinhole : pinholes)
        gone.push_back({pinhole, {}});
    book_.enter(gone);
}

std::chrono::nanoseconds Grants::pause() const {
    return book_.pinholes() < kManyPinholes ? std::chrono::nanoseconds(0) : kPauseForAPinhole * book_.pinholes();
}

bool Grants::is_pause(BootTime now) const { return now < due() && now >= run_began_ + kRun * pause(); }

const std::vector<Holder>* Grants::in_kernel(const authz::Pinhole& pinhole) const {
    if (const auto waiting = waiting_.find(pinhole); waiting != waiting_.end())
        return waiting->second.empty() ? nullptr : &waiting->second;
    const auto known = book_.all().find(pinhole);
    return known == book_.all().end() ? nullptr : &known->second;
}

void Grants::forget_waiting(bool done) {
    if (waiting_.empty())
        return;
    waiting_.clear();
    on_done_(done);
}

// Those that wait go with any other.
Result<void> Grants::apply(const std::vector<PinholeChange>& changes, const Now& now) {
    std::vector<PinholeChange> all = changes, back;
    for (const auto& waiting : waiting_) {
        const authz::Pinhole& pinhole = waiting.first;
        const auto known = book_.all().find(pinhole);
        if (std::ranges::none_of(changes, [&](const PinholeChange& c) { return c.pinhole == pinhole; }))
            all.push_back({pinhole, known == book_.all().end() ? std::vector<Holder>() : known->second});
        back.push_back({pinhole, waiting.second});
    }
    if (all.empty())
        return {};
    nft::Transaction transaction;
    write(transaction, all, now);
    const auto to_open = std::exchange(to_open_, {});
    for (const authz::Pinhole& pinhole : to_open)
        opening_(transaction, pinhole);
    if (now.boot >= due())
        run_began_ = now.boot;
    last_ = now.boot;
    auto done = socket_.commit(std::move(transaction));
    was_written(now.boot);
    book_.enter(done ? changes : back);
    if (done)
        std::ranges::for_each(to_open, opened_);
    forget_waiting(done.has_value());
    return done;
}

void Grants::settle(const Now& now) {
    if (auto done = apply({}, now); !done)
        log::error(done.error());
}

void Grants::write(nft::Transaction& transaction, const std::vector<PinholeChange>& changes, const Now& now) const {
    for (const PinholeChange& change : changes) {
        const std::vector<Holder>* const known = in_kernel(change.pinhole);
        const bool was_single = known != nullptr && authz::is_for_one(*known);
        const bool single = change.holders.empty() ? was_single : change.single();
        const nft::PinholeSet set = set_of(change.pinhole, single);
        nft::Element element;
        element.key = nft::key_of(set, change.pinhole);
        if (was_single != single && known != nullptr)
            nft::remove_element(transaction, set_of(change.pinhole, was_single).name, element.key);
        if (change.holders.empty()) {
            nft::remove_element(transaction, set.name, element.key);
            continue;
        }
        if (guard_ != nullptr)
            guard_->admit(change.pinhole.address, change.until());
        const auto left = std::chrono::ceil<milliseconds>(change.until() - now.boot);
        element.timeout = std::max(left, milliseconds(1));
        element.comment = comment_of(change.holders);
        element.data = encode(change.holders);
        nft::put_element(transaction, set.name, element);
    }
}

Grants::Done Grants::open(const authz::GrantRequest& request, const authz::BanList& bans,
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
    // Whoever types it wants to see it done.
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
    const bool single = std::ranges::any_of(permit.pinholes, [](const authz::Permit::One& one) { return one.single; });
    if (external() && single && done.answer == Answer::done) {
        done.answer = Answer::refused;
        done.error = Error{"gate mode \"external\" has no grants for one connection", {}};
    }
    if (done.answer != Answer::done)
        return done;
    std::vector<PinholeChange> changes;
    for (const authz::Permit::One& one : permit.pinholes) {
        to_open_.insert(one.pinhole);
        changes.push_back(book_.plan_open(one.pinhole, {credential, now.boot + one.lifetime, one.single}));
        done.lifetime = std::max(done.lifetime, one.lifetime);
    }
    if (is_pause(now.boot)) {
        for (const PinholeChange& change : changes) {
            const auto* const known = in_kernel(change.pinhole);
            waiting_.try_emplace(change.pinhole, known != nullptr ? *known : std::vector<Holder>());
        }
        book_.enter(changes);
        done.answer = Answer::waiting;
        return done;
    }
    if (auto applied = apply(changes, now); !applied) {
        done.answer = Answer::failed;
        done.error = applied.error();
    }
    return done;
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

Grants::Done Grants::close(const authz::GrantRequest& request, const Now& now) {
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

Result<std::size_t> Grants::close_prefix(const Prefix& prefix, const Now& now) {
    expire(now.boot);
    const auto changes = book_.plan_close(prefix);
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
            changes.push_back({pinhole, {}});
    if (auto applied = apply(changes, now); !applied)
        return applied.error();
    return changes.size();
}

Result<std::size_t> Grants::close_credentials(const std::vector<wire::CredentialId>& credentials, const Now& now) {
    expire(now.boot);
    std::size_t closed = 0;
    for (const wire::CredentialId& credential : credentials) {
        const auto changes = book_.plan_close_all(credential);
        if (auto applied = apply(changes, now); !applied)
            return applied.error();
        closed += changes.size();
    }
    if (auto done = expel_strangers(); !done)
        return done.error();
    return closed;
}

} // namespace xk
